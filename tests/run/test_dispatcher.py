"""From the queue to the nodes and back, with nodes that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from msgspec import structs

from pulseq.cluster.cluster import LiveNode
from pulseq.events import AttemptFinished, AttemptStarted, Event, NodeLost, RunNote, TestClosed
from pulseq.fleet import FrameworkConfig
from pulseq.marks import MarkState, NodeMark
from pulseq.models import AttemptResult, CommandBody, PytestBody, PytestItemBody, Reason, SimulateBody, Status, TestCase
from pulseq.protocol.coding import PROTOCOL, ProtocolError, encode
from pulseq.protocol.from_node import (
    AttemptStart,
    CasesFound,
    DispatchDone,
    NextAsked,
    NodeMessage,
    TaskRunState,
    TestsGivenBack,
)
from pulseq.protocol.to_node import NoNext
from pulseq.protocol.work import Dispatch, PytestWork, TestWork
from pulseq.pytest_sessions import PytestOrder, PytestSpec
from pulseq.run import incoming
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.run_queue import RunQueue
from tests.reports_home import said_by
from tests.run.told import Told

Answer = Callable[["Nodes", Dispatch, str], None]


class Nodes:
    """A cluster and a runner in one: `answer` says what a node does with a dispatch."""

    def __init__(self, answer: Answer, *names: str) -> None:
        self.answer = answer
        self.nodes = {name: LiveNode(name, name, "localhost", 1, {"node": name}) for name in names}
        self.marks: dict[str, NodeMark] = {}
        self.sent: list[tuple[str, str]] = []
        self.cancelled: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.on_ask_back: Callable[[str, str, list[tuple[str, str]]], None]
        self.on_no_next: Callable[[str, str], None] = lambda _address, _key: None
        self.dispatcher: Dispatcher

    async def begin_run(self, _run_id: str, addresses: list[str], *_further: object) -> None:
        self.told += [("begin", address) for address in addresses]

    async def leave_run(self, _run_id: str, addresses: list[str]) -> None:
        self.told += [("leave", address) for address in addresses]

    async def cancel_run(self, _run_id: str, addresses: list[str]) -> None:
        self.cancelled += addresses

    async def ask_back(self, _run_id: str, address: str, key: str, tests: list[tuple[str, str]]) -> None:
        self.told.append(("give_back", address))
        self.on_ask_back(address, key, tests)

    async def no_next(self, _run_id: str, address: str, answer: NoNext) -> None:
        self.told.append(("no next", address))
        self.on_no_next(address, answer.key)

    def send(self, dispatch: Dispatch, address: str, *, priority: int, on_trouble: Callable[[str, str], None]) -> None:
        self.sent += [(work.name.partition(" @ ")[0], address) for work in dispatch.work]
        self.on_trouble = on_trouble
        asyncio.get_running_loop().call_soon(self.answer, self, dispatch, address)

    def say(self, node: str, *messages: NodeMessage | AttemptResult) -> None:
        self.dispatcher.receive(said_by(node, *messages))

    def mark(self, mark: NodeMark) -> None:
        self.marks.pop(mark.node_id, None)
        if not mark.is_open:
            self.marks[mark.node_id] = mark
        self.dispatcher.heed_mark(mark)

    def lose(self, node: str) -> None:
        del self.nodes[node]
        self.dispatcher.lose_node(node, "it was killed")


def _result(work: TestWork, node: str, status: Status = Status.PASSED, reason: Reason | None = None) -> AttemptResult:
    return AttemptResult(work.test.id, work.attempt, node, status, reason=reason)


def _tests(dispatch: Dispatch) -> list[TestWork]:
    return [work for work in dispatch.work if isinstance(work, TestWork)]


def passing(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
    for work in _tests(dispatch):
        nodes.say(node, AttemptStart(work.test.id, "", work.attempt, "task"), _result(work, node))
    nodes.say(node, DispatchDone(dispatch.key))


def failing(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
    for work in _tests(dispatch):
        nodes.say(node, _result(work, node, Status.FAILED, Reason.EXIT_CODE))
    nodes.say(node, DispatchDone(dispatch.key))


def silent(nodes: Nodes, dispatch: Dispatch, _node: str) -> None:
    nodes.dispatcher.stop_admitting()
    nodes.dispatcher.abandon()


def _run(nodes: Nodes, *tests: TestCase, timeout: float = 60.0, **options: Any) -> tuple[list[Event], Dispatcher]:
    events = Told()

    async def run() -> Dispatcher:
        queue = RunQueue(FrameworkConfig(node_timeout=timeout))
        dispatcher = Dispatcher("r", cast(Any, nodes), cast(Any, nodes), events.ledger(), queue, **options)
        nodes.dispatcher = dispatcher
        for test in tests:
            dispatcher.accept(test)
        await dispatcher.begin()
        await dispatcher.run()
        await dispatcher.settle()
        return dispatcher

    return events, asyncio.run(run())


def _closed(events: list[Event]) -> dict[str, tuple[str, str | None]]:
    return {event.test_id: (event.status, event.reason) for event in events if isinstance(event, TestClosed)}


def _case(name: str, **changes: Any) -> TestCase:
    return TestCase(name, SimulateBody(), **changes)


def test_every_test_goes_to_a_node_and_has_its_verdict() -> None:
    nodes = Nodes(passing, "a", "b")

    events, _ = _run(nodes, _case("x"), _case("y"))

    assert sorted(nodes.sent) == [("x", "a"), ("y", "b")]
    assert _closed(events) == {"x": ("passed", None), "y": ("passed", None)}


@pytest.mark.parametrize("comes", [True, False])
def test_the_end_hears_what_was_told_and_does_not_wait_for_what_was_lost(
    comes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "HEAR_SECONDS", 60.0 if comes else 0.01)
    nodes = Nodes(passing, "a")

    async def hear() -> bool:
        queue = RunQueue(FrameworkConfig())
        nodes.dispatcher = Dispatcher("r", cast(Any, nodes), cast(Any, nodes), Told().ledger(), queue)
        hearing = asyncio.create_task(nodes.dispatcher.hear({"a": 2, "gone": 7}))
        nodes.say("a", DispatchDone("0"))
        await asyncio.sleep(0)
        was_done = hearing.done()
        if comes:
            nodes.say("a", DispatchDone("0"))
        await hearing
        return was_done

    assert not asyncio.run(hear())


def test_a_node_is_asked_once_to_take_part() -> None:
    nodes = Nodes(passing, "a")

    _run(nodes, _case("x"))

    assert [("begin", "a")] == nodes.told


def test_a_run_of_nothing_that_fits_ends() -> None:
    events, _ = _run(Nodes(passing, "a"), _case("x", requirements={"node": "z"}))

    assert _closed(events) == {"x": ("error", "unsatisfiable")}


def test_a_run_ends_when_the_only_fitting_node_does_not_come_back() -> None:
    def die(nodes: Nodes, _dispatch: Dispatch, node: str) -> None:
        nodes.lose(node)

    events, _ = _run(Nodes(die, "a"), _case("x"), timeout=0.01)

    assert _closed(events) == {"x": ("error", "unsatisfiable")}


def test_what_a_lost_node_had_begun_starts_again_on_another() -> None:
    def die_once(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        if len(nodes.nodes) == 1:
            passing(nodes, dispatch, node)
            return
        (work,) = _tests(dispatch)
        (id,) = dispatch.task_runs
        running = TaskRunState(id, work.name, uuid4(), "RUNNING", "Running", "", 1.0, 1)
        nodes.say(node, running, AttemptStart(work.test.id, "", 1, str(id)))
        nodes.lose(node)

    nodes = Nodes(die_once, "a", "b")
    events, dispatcher = _run(nodes, _case("x"))

    assert nodes.sent == [("x", "a"), ("x", "b")]
    assert _closed(events) == {"x": ("passed", None)}
    # The task run on the lost node: the states of the other one are told by nobody here.
    assert 1 == dispatcher.delivery.ended


def test_a_dispatch_that_ends_without_a_result_is_our_fault() -> None:
    def forget(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        nodes.say(node, DispatchDone(dispatch.key, "KeyError: 'x'"))

    events, _ = _run(Nodes(forget, "a"), _case("x"))

    assert _closed(events) == {"x": ("error", "internal")}


def test_a_dispatch_that_does_not_get_through_is_our_fault() -> None:
    def refuse(nodes: Nodes, dispatch: Dispatch, _node: str) -> None:
        nodes.on_trouble(dispatch.key, "OSError: no")

    events, _ = _run(Nodes(refuse, "a"), _case("x"))

    assert _closed(events) == {"x": ("error", "internal")}


def test_a_run_stops_after_as_many_failures_as_were_asked_for() -> None:
    nodes = Nodes(failing, "a")

    events, _ = _run(nodes, _case("x"), _case("y"), max_failures=1)

    assert nodes.sent == [("x", "a")]
    assert nodes.cancelled == ["a"]
    assert RunNote("stopping after 1 failure") in events


def test_a_run_that_is_stopped_leaves_what_does_not_end() -> None:
    events, dispatcher = _run(Nodes(silent, "a"), _case("x"))
    assert _closed(events) == {}

    dispatcher.close_open("it was stopped")

    assert _closed(events) == {"x": ("error", "cancelled")}


@pytest.mark.parametrize("late", [True, False])
def test_files_of_a_lost_attempt_do_not_count(late: bool) -> None:
    def leave_files(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        (work,) = _tests(dispatch)
        case = AttemptResult("x::case", work.attempt, node, Status.PASSED)
        if late and node == "a":
            nodes.say(node, AttemptStart("x", "", 1, "task"))
            nodes.lose("a")
            nodes.say(node, CasesFound("x", "", (case,)), _result(work, node))
            return
        if late:
            failing(nodes, dispatch, node)
            return
        nodes.say(node, CasesFound("x", "", (case,)), _result(work, node), DispatchDone(dispatch.key))

    events, _ = _run(Nodes(leave_files, "a", "b"), TestCase("x", CommandBody(("make",), junit="*.xml")))

    assert _closed(events) == ({"x": ("failed", "exit_code")} if late else {"x::case": ("passed", None)})


def _leaving(*attempts: tuple[tuple[AttemptResult, ...], Status, Reason | None]) -> Answer:
    """A node on which each attempt of a command leaves these cases and ends so, in one task run as Prefect retries."""

    def leave(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        (work,) = _tests(dispatch)
        for number, (cases, status, reason) in enumerate(attempts, 1):
            result = AttemptResult(work.test.id, number, node, status, reason=reason)
            found = CasesFound(work.test.id, "", cases, None if cases else "no file")
            nodes.say(node, AttemptStart(work.test.id, "", number, "task"), found, result)
        nodes.say(node, DispatchDone(dispatch.key))

    return leave


def _said(name: str, status: Status) -> AttemptResult:
    return AttemptResult(f"x::{name}", 1, "a", status, reason=None if status is Status.PASSED else Reason.ASSERTION)


RETRIED = TestCase("x", CommandBody(("make",), junit="*.xml"), max_retries=1)
FIRST = ((_said("a", Status.PASSED), _said("b", Status.FAILED)), Status.FAILED, Reason.EXIT_CODE)


def test_a_retried_command_keeps_what_its_first_attempt_said() -> None:
    node = _leaving(FIRST, ((_said("b", Status.PASSED),), Status.PASSED, None))

    events, _ = _run(Nodes(node, "a"), RETRIED)

    assert [
        TestClosed("x::a", "", Status.PASSED, None, False, 1, "a", None),
        TestClosed("x::b", "", Status.PASSED, None, True, 2, "a", None),
    ] == [event for event in events if isinstance(event, TestClosed)]
    booked = [event.result for event in events if isinstance(event, AttemptFinished)]
    assert [("x::b", 1, "failed"), ("x::b", 2, "passed")] == [
        (one.test_id, one.attempt, one.status) for one in booked if one.test_id == "x::b"
    ]


def test_a_retry_that_crashes_takes_no_case_with_it() -> None:
    node = _leaving(FIRST, ((), Status.ERROR, Reason.CRASH))

    events, _ = _run(Nodes(node, "a"), RETRIED)

    assert _closed(events) == {
        "x": ("error", "crash"),
        "x::a": ("passed", None),
        "x::b": ("failed", "assertion"),
    }


def test_cases_have_their_verdict_when_their_command_is_stopped_before_its_retry() -> None:
    def begin(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        cases, status, reason = FIRST
        nodes.say(node, AttemptStart("x", "", 1, "task"), CasesFound("x", "", cases))
        nodes.say(node, AttemptResult("x", 1, node, status, reason=reason))
        silent(nodes, dispatch, node)

    events, dispatcher = _run(Nodes(begin, "a"), RETRIED)
    dispatcher.close_open("it was stopped")

    assert _closed(events) == {
        "x": ("error", "cancelled"),
        "x::a": ("passed", None),
        "x::b": ("failed", "assertion"),
    }


def test_cases_have_their_verdict_when_their_command_kills_its_nodes() -> None:
    def die_at_its_second(nodes: Nodes, _dispatch: Dispatch, node: str) -> None:
        if node == "a":
            cases, status, reason = FIRST
            nodes.say(node, AttemptStart("x", "", 1, "task"), CasesFound("x", "", cases))
            nodes.say(node, AttemptResult("x", 1, node, status, reason=reason), AttemptStart("x", "", 2, "task"))
        else:
            nodes.say(node, AttemptStart("x", "", 3, "task"))
        nodes.lose(node)

    events, _ = _run(Nodes(die_at_its_second, "a", "b"), RETRIED)

    assert _closed(events) == {
        "x": ("error", "node_lost"),
        "x::a": ("passed", None),
        "x::b": ("failed", "assertion"),
    }


def test_a_case_that_fails_before_a_retry_does_not_stop_the_run() -> None:
    node = _leaving(FIRST, ((_said("b", Status.PASSED),), Status.PASSED, None))

    events, _ = _run(Nodes(node, "a"), RETRIED, max_failures=1)

    assert not [event for event in events if isinstance(event, RunNote)]


def test_a_case_that_failed_to_the_end_counts_for_the_number_that_was_asked_for() -> None:
    events, _ = _run(Nodes(_leaving(FIRST), "a"), replace(RETRIED, max_retries=0), max_failures=1)

    assert RunNote("stopping after 1 failure") in events


def test_a_failure_in_collection_counts_for_the_number_that_was_asked_for() -> None:
    nodes = Nodes(passing, "a")
    events = Told()

    async def run() -> None:
        queue = RunQueue(FrameworkConfig())
        dispatcher = Dispatcher("r", cast(Any, nodes), cast(Any, nodes), events.ledger(), queue, max_failures=1)
        nodes.dispatcher = dispatcher
        dispatcher.accept(_case("x"))
        dispatcher.book_collected(
            _case("broken"), AttemptResult("broken", 1, "a", Status.ERROR, reason=Reason.SETUP, error="SyntaxError")
        )
        await dispatcher.begin()
        await dispatcher.run()

    asyncio.run(run())

    assert nodes.sent == []
    assert _closed(events) == {"broken": ("error", "setup")}


def test_an_error_of_our_own_ends_the_run_instead_of_hanging_it() -> None:
    def babble(nodes: Nodes, _dispatch: Dispatch, node: str) -> None:
        nodes.dispatcher.receive((0.0, {"report": b"no report"}))

    with pytest.raises(ProtocolError):
        _run(Nodes(babble, "a"), _case("x"))


def test_a_node_that_says_what_nobody_understands_is_lost_and_the_run_goes_on() -> None:
    def garble(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        if node == "a":
            said = {"node_id": "a", "incarnation": "", "messages": [{"type": "sing"}], "protocol": PROTOCOL}
            nodes.dispatcher.receive((0.0, {"report": encode(said)}))
        else:
            passing(nodes, dispatch, node)

    nodes = Nodes(garble, "a", "b")
    events, _ = _run(nodes, _case("x"), _case("y"))
    assert {"x": ("passed", None), "y": ("passed", None)} == _closed(events)
    assert ["b"] == [*nodes.nodes]
    assert ("leave", "a") in nodes.told
    [note] = [event.text for event in events if isinstance(event, RunNote)]
    assert note.startswith(f"node a takes no part any more: what came is no message of protocol {PROTOCOL}")


@pytest.mark.parametrize("how", ["expands to nothing", "cannot be collected"])
def test_an_entry_that_is_collected_last_ends_the_run(how: str) -> None:
    entry = TestCase("unit", PytestBody(("tests",)))

    async def run() -> None:
        nodes = Nodes(passing, "a")
        dispatcher = Dispatcher("r", cast(Any, nodes), cast(Any, nodes), Told().ledger(), RunQueue(FrameworkConfig()))
        nodes.dispatcher = dispatcher
        dispatcher.ledger.plan(entry)
        await dispatcher.begin()
        running = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(0)
        assert not running.done()
        if how == "expands to nothing":
            dispatcher.ledger.expand(entry.key, 0)
        else:
            dispatcher.ledger.close(entry.key, Reason.SETUP, "no pytest")
        await asyncio.wait_for(running, 60)

    asyncio.run(run())


def test_a_run_that_is_held_takes_tests_until_it_is_released() -> None:
    def answer(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        passing(nodes, dispatch, node)
        answered.set()

    answered = asyncio.Event()
    nodes = Nodes(answer, "a")
    events = Told()

    async def run() -> None:
        dispatcher = Dispatcher(
            "r", cast(Any, nodes), cast(Any, nodes), events.ledger(), RunQueue(FrameworkConfig()), held=True
        )
        nodes.dispatcher = dispatcher
        await dispatcher.begin()
        running = asyncio.create_task(dispatcher.run())
        for name in "xy":
            dispatcher.accept(_case(name))
            answered.clear()
            await answered.wait()
        assert not running.done()
        dispatcher.release()
        await running

    asyncio.run(run())

    assert {"x": ("passed", None), "y": ("passed", None)} == _closed(events)


def test_a_node_that_is_drained_ends_what_it_has_and_is_not_lost() -> None:
    def keep(_: Nodes, dispatch: Dispatch, node: str) -> None:
        held.append((dispatch, node))
        sent.set()

    held: list[tuple[Dispatch, str]] = []
    sent = asyncio.Event()
    nodes = Nodes(keep, "a")
    events = Told()

    async def run() -> None:
        dispatcher = Dispatcher(
            "r",
            cast(Any, nodes),
            cast(Any, nodes),
            events.ledger(),
            RunQueue(FrameworkConfig(node_timeout=0.01)),
        )
        nodes.dispatcher = dispatcher
        dispatcher.accept(_case("x"))
        dispatcher.accept(_case("y"))
        await dispatcher.begin()
        running = asyncio.create_task(dispatcher.run())
        await sent.wait()
        draining = asyncio.create_task(dispatcher.nodes.drain("a"))
        await asyncio.sleep(0)
        assert not draining.done()
        passing(nodes, *held[0])
        await draining
        nodes.lose("a")
        await running

    asyncio.run(run())

    assert {"x": ("passed", None), "y": ("error", "unsatisfiable")} == _closed(events)
    assert ("leave", "a") in nodes.told
    assert [] == [event for event in events if isinstance(event, NodeLost)]


@pytest.mark.parametrize("lost", [False, True])
def test_an_idle_node_gets_what_a_busy_one_gives_back_and_each_test_runs_once(lost: bool) -> None:
    kept: dict[str, Dispatch] = {}
    slow: set[str] = set()
    given_back: set[tuple[str, str]] = set()

    def keep_behind_the_long_one(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        if not slow and any(work.name.startswith("long @ ") for work in dispatch.work):
            slow.add(node)
            nodes.say(node, AttemptStart("long", "", 1, "task"))
        if node in slow:
            kept[dispatch.key] = dispatch
        else:
            passing(nodes, dispatch, node)

    def give_back(node: str, key: str, tests: list[tuple[str, str]]) -> None:
        given_back.update(tests)
        nodes.say(node, TestsGivenBack(key, tuple(tests)))
        slow.clear()
        if lost:
            slow.add(node)
            nodes.lose(node)
            return
        for dispatch in kept.values():
            left = tuple(work for work in _tests(dispatch) if work.test.key not in given_back)
            passing(nodes, structs.replace(dispatch, work=left), node)

    nodes = Nodes(keep_behind_the_long_one, "a", "b")
    nodes.on_ask_back = give_back
    shorts = [TestCase(f"t{n}", CommandBody(("true",)), duration=0.1) for n in range(12)]
    events, _ = _run(nodes, TestCase("long", CommandBody(("true",)), duration=60.0), *shorts)

    assert given_back
    assert dict.fromkeys(("long", *(case.id for case in shorts)), ("passed", None)) == _closed(events)
    started = [(event.test_id, event.attempt) for event in events if isinstance(event, AttemptStarted)]
    assert len(set(started)) == len(started) == (14 if lost else 13)


class AskingNodes(Nodes):
    """Nodes of one slot that ask what follows the last item of each dispatch, and end it when they know."""

    def __init__(self, *names: str, on_promise: Callable[[AskingNodes, str], None] | None = None) -> None:
        super().__init__(lambda nodes, dispatch, node: cast(AskingNodes, nodes).get(dispatch, node), *names)
        self.held: dict[str, dict[str, Dispatch]] = {name: {} for name in names}
        self.ran: list[str] = []
        self.promised: list[tuple[str, str]] = []
        self.most_running = 0
        self._running: set[str] = set()
        self._on_promise = on_promise
        self.on_no_next = self._end

    def get(self, dispatch: Dispatch, node: str) -> None:
        self.held[node][dispatch.key] = dispatch
        if dispatch.after in self.held[node]:
            self.promised.append((dispatch.after, dispatch.key))
            if self._on_promise is not None:
                self._on_promise(self, node)
            else:
                self._end(node, dispatch.after)
        elif len(self.held[node]) == 1:
            self._begin(dispatch, node)

    def _begin(self, dispatch: Dispatch, node: str) -> None:
        self._running.add(dispatch.key)
        self.most_running = max(self.most_running, len(self._running))
        for order in self._orders(dispatch):
            self.say(node, AttemptStart(order.test_id, "", order.attempt, str(dispatch.task_runs[0])))
        self.say(node, NextAsked(dispatch.key, frozenset(self.held[node])))

    def _end(self, node: str, key: str) -> None:
        dispatch = self.held.get(node, {}).pop(key, None)
        if dispatch is None:
            return
        self._running.discard(key)
        for order in self._orders(dispatch):
            self.ran.append(order.test_id)
            self.say(node, AttemptResult(order.test_id, order.attempt, node, Status.PASSED))
        self.say(node, DispatchDone(key))
        waiting = sorted(self.held[node].values(), key=lambda one: (one.after != key, int(one.key)))
        if waiting:
            self._begin(waiting[0], node)

    def lose(self, node: str) -> None:
        self._running -= self.held.pop(node).keys()
        super().lose(node)

    @staticmethod
    def _orders(dispatch: Dispatch) -> list[PytestOrder]:
        return [order for work in dispatch.work if isinstance(work, PytestWork) for order in work.orders]


SPECS = {"unit": PytestSpec("r", "unit", ("tests",), (), False, ".", None)}


def _items(count: int, seconds: float = 1.0) -> list[TestCase]:
    names = [f"test_a.py::t{number}" for number in range(count)]
    return [TestCase(name, PytestItemBody("unit", name), duration=seconds) for name in names]


def test_each_dispatch_is_followed_by_the_next_in_order_where_there_is_one_slot() -> None:
    nodes = AskingNodes("a")
    cases = _items(5)

    events, _ = _run(nodes, *cases, specs=SPECS)

    assert ([case.id for case in cases], 1) == (nodes.ran, nodes.most_running)
    assert [("1", "2"), ("2", "3"), ("3", "4"), ("4", "5")] == nodes.promised
    assert {case.id: ("passed", None) for case in cases} == _closed(events)
    assert [("no next", "a")] == [one for one in nodes.told if one[0] == "no next"]


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
def test_no_slot_has_two_dispatches_at_a_time_and_each_test_runs_once(names: str) -> None:
    nodes = AskingNodes(*names)
    cases = _items(40, 0.3)

    events, _ = _run(nodes, *cases, specs=SPECS)

    assert sorted(case.id for case in cases) == sorted(nodes.ran)
    assert nodes.most_running <= len(names)
    assert {("passed", None)} == set(_closed(events).values())


def test_what_was_promised_to_a_node_that_is_lost_runs_elsewhere() -> None:
    def lose(nodes: AskingNodes, node: str) -> None:
        if node == "a":
            nodes.lose("a")
        else:
            nodes._end(node, nodes.promised[-1][0])

    nodes = AskingNodes("a", "b", on_promise=lose)
    cases = _items(6)

    events, _ = _run(nodes, *cases, specs=SPECS)

    assert {case.id: ("passed", None) for case in cases} == _closed(events)
    attempts = {event.test_id: event.attempt for event in events if isinstance(event, AttemptStarted)}
    assert [2] == [attempt for attempt in attempts.values() if attempt > 1]


def test_a_run_that_is_stopped_while_a_node_asks_declines() -> None:
    def stop(nodes: AskingNodes, node: str) -> None:
        nodes.dispatcher.stop_admitting()
        nodes._end(node, nodes.promised[-1][0])

    nodes = AskingNodes("a", on_promise=stop)
    _run(nodes, *_items(4), specs=SPECS)

    assert 2 == len(nodes.ran)
    assert ("no next", "a") in nodes.told


def test_after_its_only_node_came_back_what_had_not_begun_runs_in_order() -> None:
    def die_once(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        (work,) = dispatch.work
        assert isinstance(work, PytestWork)
        first = work.orders[0]
        if int(dispatch.key) <= lost_with[0]:
            return
        if first.test_id == "test_a.py::t0" and first.attempt == 1:
            nodes.say(node, AttemptStart(first.test_id, "", 1, str(dispatch.task_runs[0])))
            back = replace(nodes.nodes[node])
            lost_with[0] = len(nodes.sent)
            nodes.lose(node)
            nodes.nodes[node] = back
            nodes.dispatcher.nodes.join(back)
            return
        for order in work.orders:
            ran.append(order.test_id)
            nodes.say(node, AttemptResult(order.test_id, order.attempt, node, Status.PASSED))
        nodes.say(node, DispatchDone(dispatch.key))

    ran: list[str] = []
    lost_with = [0]
    cases = _items(30, 0.3)
    _run(Nodes(die_once, "a"), *cases, specs=SPECS)

    assert [case.id for case in cases[1:]] == [name for name in ran if name != cases[0].id]


def test_what_only_a_marked_node_fits_waits_and_then_ends_with_the_mark() -> None:
    def cordon_first(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        nodes.mark(NodeMark("a", MarkState.CORDONED, "firmware"))
        passing(nodes, dispatch, node)

    nodes = Nodes(cordon_first, "a", "b")
    only = {"requirements": {"node": "a"}}
    events, _ = _run(nodes, _case("x", **only), _case("y", **only), timeout=0.01)

    assert {"x": ("passed", None), "y": ("error", "unsatisfiable")} == _closed(events)
    (closed,) = [event for event in events if isinstance(event, TestClosed) and event.test_id == "y"]
    assert "the only node that fits gets no tests (a is cordoned: firmware)" == closed.error
    assert 1 == sum("1 test waits for up to 0.01 s" in event.text for event in events if isinstance(event, RunNote))


def test_what_waits_for_a_marked_node_runs_there_when_it_is_opened() -> None:
    nodes = Nodes(passing, "a")
    nodes.marks["a"] = NodeMark("a", MarkState.DRAINING)

    async def run() -> list[Event]:
        told = Told()
        dispatcher = Dispatcher(
            "r", cast(Any, nodes), cast(Any, nodes), told.ledger(), RunQueue(FrameworkConfig(node_timeout=60.0))
        )
        nodes.dispatcher = dispatcher
        dispatcher.accept(_case("x"))
        dispatcher.nodes.join(nodes.nodes["a"])
        await dispatcher.begin()
        running = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(0)
        assert [] == nodes.sent
        nodes.mark(NodeMark("a", MarkState.OPEN))
        await running
        await dispatcher.settle()
        return told

    assert {"x": ("passed", None)} == _closed(asyncio.run(run()))


def test_what_a_drained_node_has_not_begun_runs_elsewhere() -> None:
    def drain_first(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        if node == "b":
            passing(nodes, dispatch, node)
            return
        first, *others = _tests(dispatch)
        nodes.say(node, AttemptStart(first.test.id, "", 1, "task"))
        nodes.mark(NodeMark("a", MarkState.DRAINING))
        held[:] = [dispatch.key, [work.test.key for work in others]]

    def give_back(node: str, key: str, tests: list[tuple[str, str]]) -> None:
        assert [key, list(tests)] == [held[0], sorted(tests)]
        nodes.nodes["b"] = LiveNode("b", "b", "localhost", 1, {})
        nodes.dispatcher.nodes.join(nodes.nodes["b"])
        nodes.say(node, TestsGivenBack(key, tuple(tests)))
        nodes.say(node, AttemptResult("t00", 1, node, Status.PASSED), DispatchDone(key))

    held: list[Any] = []
    nodes = Nodes(drain_first, "a")
    nodes.on_ask_back = lambda node, key, tests: give_back(node, key, sorted(tests))
    events, _ = _run(nodes, *(_case(f"t{number:02}", duration=0.01) for number in range(30)))

    assert {f"t{number:02}": ("passed", None) for number in range(30)} == _closed(events)
    assert len(held[1]) > 1
    assert {"b"} == {node for _, node in nodes.sent[len(held[1]) + 1 :]}


def test_a_run_begins_and_ends_without_a_node_that_does_not_get_ready() -> None:
    nodes = Nodes(passing, "a", "b")
    told = Told()

    async def begin_run(_run_id: str, addresses: list[str], *_further: object) -> None:
        if addresses == ["b"]:
            await asyncio.Event().wait()

    async def bring(_node: LiveNode, _bodies: object) -> None:
        return

    async def run() -> None:
        nodes.begin_run = begin_run  # type: ignore[method-assign]
        shipping = cast(Any, SimpleNamespace(concerns=lambda _: True, bring=bring, forget=lambda _: None))
        dispatcher = Dispatcher(
            "r", cast(Any, nodes), cast(Any, nodes), told.ledger(), RunQueue(FrameworkConfig()), shipping=shipping
        )
        nodes.dispatcher = dispatcher
        dispatcher.accept(_case("x"))
        for node in nodes.nodes.values():
            dispatcher.nodes.join(node)
        await dispatcher.nodes.wait_for_first()
        await dispatcher.begin()
        await dispatcher.run()
        await dispatcher.settle()
        await dispatcher.nodes.end_admission()

    asyncio.run(asyncio.wait_for(run(), 60))

    assert [("x", "a")] == nodes.sent
    assert [] == [event for event in told if isinstance(event, RunNote)]
