"""From the queue to the nodes and back, with nodes that do as they are told."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from pulseq.distributed.dispatcher import Dispatcher
from pulseq.distributed.ledger import Ledger
from pulseq.distributed.run_queue import RunQueue
from pulseq.engine.cluster import LiveNode
from pulseq.engine.work import AttemptStart, CasesFound, Dispatch, DispatchDone, NodeMessage, TestsRecalled, TestWork
from pulseq.events import AttemptStarted, Event, NodeLost, RunNote, TestClosed
from pulseq.models import (
    AttemptResult,
    CommandBody,
    FrameworkConfig,
    PytestBody,
    Reason,
    SimulateBody,
    Status,
    TestCase,
)

Answer = Callable[["Nodes", Dispatch, str], None]


class Nodes:
    """A cluster and a runner in one: `answer` says what a node does with a dispatch."""

    def __init__(self, answer: Answer, *names: str) -> None:
        self.answer = answer
        self.nodes = {name: LiveNode(name, name, "localhost", 1, {"node": name}) for name in names}
        self.sent: list[tuple[str, str]] = []
        self.cancelled: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.on_recall: Callable[[str, str, list[tuple[str, str]]], None]
        self.dispatcher: Dispatcher

    async def begin_run(self, _run_id: str, addresses: list[str]) -> None:
        self.told += [("begin", address) for address in addresses]

    async def enter_run(self, _run_id: str, addresses: list[str], _context: dict[str, Any]) -> None:
        self.told += [("enter", address) for address in addresses]

    async def leave_run(self, _run_id: str, addresses: list[str]) -> None:
        self.told += [("leave", address) for address in addresses]

    async def cancel_run(self, _run_id: str, addresses: list[str]) -> None:
        self.cancelled += addresses

    async def recall(self, _run_id: str, address: str, key: str, tests: list[tuple[str, str]]) -> None:
        self.told.append(("recall", address))
        self.on_recall(address, key, tests)

    def send(self, dispatch: Dispatch, address: str, *, priority: int, on_trouble: Callable[[str, str], None]) -> None:
        self.sent += [(work.name, address) for work in dispatch.work]
        self.on_trouble = on_trouble
        asyncio.get_running_loop().call_soon(self.answer, self, dispatch, address)

    def say(self, node: str, *messages: NodeMessage) -> None:
        self.dispatcher.receive((0.0, {"node": node, "messages": pickle.dumps(list(messages))}))

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
    nodes.say(node, DispatchDone(dispatch.key, 1))


def failing(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
    for work in _tests(dispatch):
        nodes.say(node, _result(work, node, Status.FAILED, Reason.EXIT_CODE))
    nodes.say(node, DispatchDone(dispatch.key, 1))


def silent(nodes: Nodes, dispatch: Dispatch, _node: str) -> None:
    nodes.dispatcher.stop_admitting()
    nodes.dispatcher.abandon()


def _run(nodes: Nodes, *tests: TestCase, timeout: float = 60.0, **options: Any) -> tuple[list[Event], Dispatcher]:
    events: list[Event] = []

    async def run() -> Dispatcher:
        queue = RunQueue(FrameworkConfig(node_timeout=timeout))
        dispatcher = Dispatcher("r", cast(Any, nodes), cast(Any, nodes), Ledger(), events.append, queue, **options)
        nodes.dispatcher = dispatcher
        for test in tests:
            dispatcher.accept(test)
        await dispatcher.enter_flow({})
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


def test_a_node_is_asked_once_to_take_part() -> None:
    nodes = Nodes(passing, "a")

    _run(nodes, _case("x"))

    assert [("enter", "a")] == nodes.told


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
        nodes.say(node, AttemptStart(work.test.id, "", 1, str(dispatch.task_runs[0])))
        nodes.lose(node)

    nodes = Nodes(die_once, "a", "b")
    events, dispatcher = _run(nodes, _case("x"))

    assert nodes.sent == [("x", "a"), ("x", "b")]
    assert _closed(events) == {"x": ("passed", None)}
    assert [(orphan.name, orphan.under_way) for orphan in dispatcher.orphans] == [("x", True)]


def test_a_dispatch_that_ends_without_a_result_is_our_fault() -> None:
    def forget(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        nodes.say(node, DispatchDone(dispatch.key, 0, "KeyError: 'x'"))

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
        nodes.say(node, CasesFound("x", "", (case,)), _result(work, node), DispatchDone(dispatch.key, 1))

    events, _ = _run(Nodes(leave_files, "a", "b"), TestCase("x", CommandBody(("make",), junit="*.xml")))

    assert _closed(events) == ({"x": ("failed", "exit_code")} if late else {"x::case": ("passed", None)})


def test_a_failure_in_collection_counts_for_the_number_that_was_asked_for() -> None:
    nodes = Nodes(passing, "a")
    events: list[Event] = []

    async def run() -> None:
        queue = RunQueue(FrameworkConfig())
        dispatcher = Dispatcher("r", cast(Any, nodes), cast(Any, nodes), Ledger(), events.append, queue, max_failures=1)
        nodes.dispatcher = dispatcher
        dispatcher.accept(_case("x"))
        dispatcher.book_collected(
            _case("broken"), AttemptResult("broken", 1, "a", Status.ERROR, reason=Reason.SETUP, error="SyntaxError")
        )
        await dispatcher.enter_flow({})
        await dispatcher.run()

    asyncio.run(run())

    assert nodes.sent == []
    assert _closed(events) == {"broken": ("error", "setup")}


def test_an_error_of_our_own_ends_the_run_instead_of_hanging_it() -> None:
    def babble(nodes: Nodes, _dispatch: Dispatch, node: str) -> None:
        nodes.dispatcher.receive((0.0, {"node": node, "messages": b"no pickle"}))

    with pytest.raises(pickle.UnpicklingError):
        _run(Nodes(babble, "a"), _case("x"))


@pytest.mark.parametrize("how", ["expands to nothing", "cannot be collected"])
def test_an_entry_that_is_collected_last_ends_the_run(how: str) -> None:
    entry = TestCase("unit", PytestBody(("tests",)))

    async def run() -> None:
        nodes = Nodes(passing, "a")
        dispatcher = Dispatcher(
            "r", cast(Any, nodes), cast(Any, nodes), Ledger(), lambda _: None, RunQueue(FrameworkConfig())
        )
        nodes.dispatcher = dispatcher
        dispatcher.plan(entry)
        await dispatcher.enter_flow({})
        running = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(0)
        assert not running.done()
        if how == "expands to nothing":
            dispatcher.expand(entry, 0)
        else:
            dispatcher.close(entry, Reason.SETUP, "no pytest")
        await asyncio.wait_for(running, 60)

    asyncio.run(run())


def test_a_run_that_is_held_takes_tests_until_it_is_released() -> None:
    def answer(nodes: Nodes, dispatch: Dispatch, node: str) -> None:
        passing(nodes, dispatch, node)
        answered.set()

    answered = asyncio.Event()
    nodes = Nodes(answer, "a")
    events: list[Event] = []

    async def run() -> None:
        dispatcher = Dispatcher(
            "r", cast(Any, nodes), cast(Any, nodes), Ledger(), events.append, RunQueue(FrameworkConfig()), held=True
        )
        nodes.dispatcher = dispatcher
        await dispatcher.enter_flow({})
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
    events: list[Event] = []

    async def run() -> None:
        dispatcher = Dispatcher(
            "r",
            cast(Any, nodes),
            cast(Any, nodes),
            Ledger(),
            events.append,
            RunQueue(FrameworkConfig(node_timeout=0.01)),
        )
        nodes.dispatcher = dispatcher
        dispatcher.accept(_case("x"))
        dispatcher.accept(_case("y"))
        await dispatcher.enter_flow({})
        running = asyncio.create_task(dispatcher.run())
        await sent.wait()
        draining = asyncio.create_task(dispatcher.drain_node("a"))
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
        if not slow and any(work.name == "long" for work in dispatch.work):
            slow.add(node)
            nodes.say(node, AttemptStart("long", "", 1, "task"))
        if node in slow:
            kept[dispatch.key] = dispatch
        else:
            passing(nodes, dispatch, node)

    def give_back(node: str, key: str, tests: list[tuple[str, str]]) -> None:
        given_back.update(tests)
        nodes.say(node, TestsRecalled(key, tuple(tests)))
        slow.clear()
        if lost:
            slow.add(node)
            nodes.lose(node)
            return
        for dispatch in kept.values():
            left = tuple(work for work in _tests(dispatch) if work.test.key not in given_back)
            passing(nodes, replace(dispatch, work=left), node)

    nodes = Nodes(keep_behind_the_long_one, "a", "b")
    nodes.on_recall = give_back
    shorts = [TestCase(f"t{n}", CommandBody(("true",)), duration=0.1) for n in range(12)]
    events, _ = _run(nodes, TestCase("long", CommandBody(("true",)), duration=60.0), *shorts)

    assert given_back
    assert dict.fromkeys(("long", *(case.id for case in shorts)), ("passed", None)) == _closed(events)
    started = [(event.test_id, event.attempt) for event in events if isinstance(event, AttemptStarted)]
    assert len(set(started)) == len(started) == (14 if lost else 13)
