"""How a suite's tests get into the queue, and what becomes of entries whose nodes die meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pulseq.cluster.cluster import LiveNode
from pulseq.errors import UsageError
from pulseq.events import Event, RunNote, TestClosed, TestExpanded, TestPlanned
from pulseq.fleet import FrameworkConfig
from pulseq.models import PytestBody, SimulateBody, Suite, TestCase
from pulseq.pytest_sessions import CollectedItem, Collection, PytestSpec
from pulseq.run import collecting
from pulseq.run.collecting import accept_suite
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.run_options import RunOptions
from pulseq.run.run_queue import RunQueue
from tests.run.told import Told

ENTRY = TestCase("unit", PytestBody(("tests",)), location="suite.yaml:3")
ITEMS = Collection((CollectedItem("test_a.py::test_a", "test_a.py:1"), CollectedItem("test_a.py::test_b", "")))


class Nodes:
    """Nodes that answer what they are told to, and are gone where that is an OSError."""

    def __init__(self, **answers: Collection | Exception) -> None:
        self.answers = answers
        self.nodes = {name: LiveNode(name, name, "localhost", 1, {"os": "linux"}) for name in answers}
        self.asked: list[str] = []
        self.begun: list[str] = []
        self.on_joined: Callable[[LiveNode], None] = lambda node: None
        self.comes_back_at: str | None = None
        self.leaves = False
        self.answers_after: dict[str, Collection] = {}

    async def begin_run(self, _run_id: str, addresses: list[str], *_further: object) -> None:
        self.begun += addresses

    async def collect(self, _run_id: str, address: str, _spec: PytestSpec) -> Collection:
        self.asked.append(address)
        answer = self.answers[address]
        if isinstance(answer, OSError) and self.comes_back_at:  # and the old one is not yet known to be gone
            back = self.comes_back_at
            self.nodes[back] = LiveNode(back, back, "localhost", 1, {"os": "linux"})
            self.on_joined(self.nodes[back])
        if self.leaves:
            del self.nodes[address]
        if self.answers_after.get(address) is not None:
            self.answers[address] = self.answers_after[address]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_tests_may_start_while_entries_of_a_file_are_collected() -> None:
    async def accept() -> list[bool]:
        may_start, collected = asyncio.Event(), asyncio.Event()
        nodes = Nodes(node1=ITEMS)

        async def collect(_run_id: str, _address: str, spec: PytestSpec) -> Collection:
            if spec.targets == ("slow",):
                await collected.wait()
            return ITEMS

        nodes.collect = collect  # type: ignore[method-assign]
        dispatcher = _dispatcher(nodes, Told())
        _join(nodes, dispatcher)
        slow = TestCase("slow", PytestBody(("slow",)), location="suite.yaml:4")
        named = TestCase("named", PytestBody(("named",), direct=True))
        suite = Suite("s", (slow, named))
        accepting = asyncio.create_task(accept_suite(suite, dispatcher, RunOptions(run_id="r"), may_start))
        await asyncio.wait_for(may_start.wait(), 60)
        before = accepting.done()
        collected.set()
        await accepting
        return [before, accepting.done()]

    assert [False, True] == asyncio.run(accept())


def _dispatcher(nodes: Nodes, events: Told) -> Dispatcher:
    cluster = cast(Any, SimpleNamespace(nodes=nodes.nodes, marks={}))
    queue = RunQueue(FrameworkConfig(node_timeout=0.01))
    return Dispatcher("r", cluster, cast(Any, nodes), events.ledger(), queue)


def _join(nodes: Nodes, dispatcher: Dispatcher) -> None:
    nodes.on_joined = dispatcher.nodes.join
    for node in nodes.nodes.values():
        dispatcher.nodes.join(node)


def _accept(nodes: Nodes, *tests: TestCase, only: frozenset[str] | None = None) -> list[Event]:
    events = Told()
    dispatcher = _dispatcher(nodes, events)

    async def accept() -> None:
        _join(nodes, dispatcher)
        await accept_suite(Suite("s", tests), dispatcher, RunOptions(run_id="r", only=only))

    asyncio.run(accept())
    return events


def _planned(events: list[Event]) -> list[str]:
    return [event.test_id for event in events if isinstance(event, TestPlanned)]


def _closed(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.test_id, event.reason) for event in events if isinstance(event, TestClosed)]


def test_an_entry_becomes_its_items() -> None:
    assert _planned(_accept(Nodes(one=ITEMS), ENTRY)) == [
        "unit",
        "unit::test_a.py::test_a",
        "unit::test_a.py::test_b",
    ]


def test_only_what_is_asked_for_is_planned() -> None:
    tests = [TestCase(name, SimulateBody()) for name in ("a", "b")]

    assert _planned(_accept(Nodes(one=ITEMS), *tests, only=frozenset({"b"}))) == ["b"]


def test_where_nothing_that_is_asked_for_is_there_all_is_planned() -> None:
    tests = [TestCase(name, SimulateBody()) for name in ("a", "b")]

    events = _accept(Nodes(one=ITEMS), ENTRY, *tests, only=frozenset({"unit::test_a.py::test_renamed", "c"}))

    assert _planned(events) == ["unit", "a", "b", "unit::test_a.py::test_a", "unit::test_a.py::test_b"]
    assert RunNote("--lf: none of these tests is known to fail, so all are run") in events


@pytest.mark.parametrize("known", ["a", "unit::test_a.py::test_b"])
def test_what_is_asked_for_anywhere_leaves_out_all_else_everywhere(known: str) -> None:
    other = replace(ENTRY, id="other")

    events = _accept(Nodes(one=ITEMS), ENTRY, other, TestCase("a", SimulateBody()), only=frozenset({known}))

    assert [known] == [test_id for test_id in _planned(events) if test_id not in ("unit", "other")]
    assert {"unit", "other"} == {event.test_id for event in events if isinstance(event, TestExpanded)}
    assert RunNote("--lf: 1 of 5 tests, known to fail from earlier runs") in events


def test_what_was_put_off_is_open_before_the_run_can_see_that_nothing_else_is() -> None:
    refused = Collection((), usage_error="unrecognized arguments: --nope")

    async def accept() -> list[int]:
        found: list[int] = []
        events = Told()
        nodes = Nodes(one=refused)
        dispatcher = _dispatcher(nodes, events)
        _join(nodes, dispatcher)
        follow = dispatcher.ledger.on_told

        def on_told(event: Event) -> None:
            follow(event)
            if isinstance(event, TestClosed):  # what waits for a change goes on in the next step of the loop
                asyncio.get_running_loop().call_soon(lambda: found.append(dispatcher.ledger.open))

        dispatcher.ledger.on_told = on_told
        suite = Suite("s", (ENTRY, TestCase("a", SimulateBody())))
        await accept_suite(suite, dispatcher, RunOptions(run_id="r", only=frozenset({"gone"})))
        assert _planned(events) == ["unit", "a"]
        return found

    assert asyncio.run(accept()) == [1]


def test_what_a_machine_lacks_is_told_and_another_node_collects() -> None:
    unable = Collection((), usage_error="no", machine_wants="its disk is full")
    events = _accept(Nodes(one=unable, two=ITEMS), ENTRY)
    assert ["node one cannot collect unit: its disk is full"] == [e.text for e in events if isinstance(e, RunNote)]
    assert [("unit", 2)] == [(e.test_id, e.count) for e in events if isinstance(e, TestExpanded)]


def test_a_loop_of_a_plug_in_that_slots_do_not_call_is_told() -> None:
    (note,) = [
        event.text
        for event in _accept(Nodes(one=replace(ITEMS, loops=("stress",))), ENTRY)
        if isinstance(event, RunNote)
    ]
    assert note.startswith(
        "unit: stress would run the items by another loop than pytest's (pytest_runtestloop); slots do not"
    )


def test_threads_that_forks_will_not_have_are_told() -> None:
    events = _accept(Nodes(one=replace(ITEMS, threads=("pool", "reader"))), ENTRY)
    (note,) = [event.text for event in events if isinstance(event, RunNote)]
    assert note.startswith("unit: threads run after the suite was imported (pool, reader), of which forks have none;")


def test_an_entry_that_no_machine_has_room_for_ends_with_what_they_lack() -> None:
    unable = Collection((), usage_error="no", machine_wants="its disk is full")
    events = _accept(Nodes(one=unable, two=unable), ENTRY)

    (closed,) = [e for e in events if isinstance(e, TestClosed)]
    assert ("error", "node_lost") == (closed.status, closed.reason)
    assert closed.error == "no node can collect it (one: its disk is full; two: its disk is full)"


def test_a_node_that_dies_while_it_collects_is_not_missed_where_another_collects() -> None:
    events = _accept(Nodes(one=ConnectionError(), two=ITEMS), ENTRY)

    assert len(_planned(events)) == 3
    assert _closed(events) == []


def test_an_entry_whose_only_node_dies_waits_for_its_return_and_then_has_no_place_to_run() -> None:
    nodes = Nodes(one=ConnectionError())
    nodes.leaves = True

    assert _closed(_accept(nodes, ENTRY)) == [("unit", "unsatisfiable")]


def test_a_node_that_could_not_be_reached_and_is_still_there_is_asked_again() -> None:
    nodes = Nodes(one=ConnectionError())
    nodes.answers_after["one"] = ITEMS

    assert len(_planned(_accept(nodes, ENTRY))) == 3
    assert nodes.asked == ["one", "one"]


def test_a_node_collects_so_many_entries_at_a_time_and_then_the_others() -> None:
    class Busy(Nodes):
        now = most = 0

        async def collect(self, run_id: str, address: str, spec: PytestSpec) -> Collection:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return await super().collect(run_id, address, spec)

    nodes = Busy(one=ITEMS)
    entries = [TestCase(f"e{number}", PytestBody(("tests",)), location="suite.yaml:3") for number in range(40)]
    assert len(_planned(_accept(nodes, *entries))) == 120
    assert (16, 40) == (nodes.most, len(nodes.asked))


def test_an_entry_that_kills_every_node_which_collects_it_is_named() -> None:
    nodes = Nodes(one=ConnectionError())
    nodes.comes_back_at = "two"
    nodes.answers["two"] = ConnectionError()

    assert _closed(_accept(nodes, ENTRY)) == [("unit", "node_lost")]
    assert nodes.asked == ["one", "two"]


def test_an_entry_is_collected_by_the_node_that_comes_back() -> None:
    nodes = Nodes(one=ConnectionError())
    nodes.comes_back_at = "two"
    nodes.answers["two"] = ITEMS

    assert len(_planned(_accept(nodes, ENTRY))) == 3


def test_a_node_knows_the_run_before_it_is_asked_what_an_entry_holds() -> None:
    nodes = Nodes(one=ITEMS)
    may_know = asyncio.Event()

    async def begin_run(_run_id: str, addresses: list[str], *_further: object) -> None:
        await may_know.wait()
        nodes.begun += addresses

    async def accept() -> None:
        nodes.begin_run = begin_run  # type: ignore[method-assign]
        dispatcher = _dispatcher(nodes, Told())
        _join(nodes, dispatcher)
        accepting = asyncio.create_task(accept_suite(Suite("s", (ENTRY,)), dispatcher, RunOptions(run_id="r")))
        for _ in range(20):
            await asyncio.sleep(0)
        assert ([], []) == (nodes.begun, nodes.asked)
        may_know.set()
        await asyncio.wait_for(accepting, 60)

    asyncio.run(accept())
    assert (["one"], ["one"]) == (nodes.begun, nodes.asked)


def test_an_entry_that_fits_no_node_ends_at_once_and_is_not_collected() -> None:
    nodes = Nodes(one=ITEMS)
    picky = TestCase("unit", PytestBody(("tests",)), requirements={"os": "windows"})

    assert _closed(_accept(nodes, picky)) == [("unit", "unsatisfiable")]
    assert nodes.asked == []


def test_what_pytest_does_not_take_ends_an_entry_of_a_suite_file() -> None:
    refused = Collection((), usage_error="unrecognized arguments: --nope")

    assert _closed(_accept(Nodes(one=refused), ENTRY)) == [("unit", "setup")]


def test_what_pytest_does_not_take_from_the_command_line_is_a_usage_error() -> None:
    refused = Collection((), usage_error="unrecognized arguments: --nope")

    with pytest.raises(UsageError, match="pytest: unrecognized arguments: --nope"):
        _accept(Nodes(one=refused), TestCase("tests", PytestBody(("tests",), direct=True)))


def test_entries_of_a_program_may_hold_the_same_items() -> None:
    entries = [TestCase(name, PytestBody(("tests",))) for name in ("first", "second")]

    assert {"first::test_a.py::test_a", "second::test_a.py::test_a"} <= {*_planned(_accept(Nodes(one=ITEMS), *entries))}


def test_an_error_of_our_own_is_not_taken_for_a_lost_node() -> None:
    with pytest.raises(KeyError):
        _accept(Nodes(one=KeyError("ours"), two=KeyError("ours")), ENTRY)


def test_what_an_entry_expands_to_is_queued_in_pieces_and_whole_also_where_that_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collecting, "_AT_ONCE", 1)
    many = Collection(tuple(CollectedItem(f"test_a.py::test_{number}", "") for number in range(4)))

    async def accept(*, cut_off: bool) -> tuple[list[str], list[int]]:
        events, nodes = Told(), Nodes(one=many)
        dispatcher = _dispatcher(nodes, events)
        _join(nodes, dispatcher)
        await dispatcher.begin()
        accepting = asyncio.create_task(accept_suite(Suite("s", (ENTRY,)), dispatcher, RunOptions(run_id="r")))
        pieces: list[int] = []
        while not accepting.done():
            if (queued := dispatcher.queue.waiting) and dispatcher._goes_on:
                pieces.append(queued)
                if cut_off:
                    accepting.cancel()
            await asyncio.sleep(0)
        return _planned(events), pieces

    whole, pieces = asyncio.run(accept(cut_off=False))
    assert ["unit", *(f"unit::test_a.py::test_{number}" for number in range(4))] == whole
    assert [1, 2, 3, 4] == sorted(set(pieces))
    assert whole == asyncio.run(accept(cut_off=True))[0]
