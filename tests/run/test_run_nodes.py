"""Which nodes take part in a run, and which get nothing more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.events import NodeJoined, NodeMarked, RunNote
from pulseq.fleet import FrameworkConfig
from pulseq.marks import MarkState, NodeMark
from pulseq.models import SimulateBody, TestCase
from pulseq.planning.queued import QueuedTest
from pulseq.run import node_admission
from pulseq.run.in_flight import DispatchInFlight, InFlight
from pulseq.run.run_nodes import RunNodes
from pulseq.run.run_queue import RunQueue
from tests.run.told import Told

NODE = LiveNode("n", "tcp://h:1", "h", 2, {"os": "linux"}, "first")
ON_LINUX = TestCase("t", SimulateBody(), requirements={"os": "linux"})
ON_BEOS = TestCase("t", SimulateBody(), requirements={"os": "beos"})


@dataclass
class Runner:
    """What is asked of nodes."""

    refuses: bool = False
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    async def begin_run(self, _run_id: str, addresses: list[str], *_further: object) -> None:
        self.asked.append(("begin", addresses))
        if self.refuses:
            raise OSError("no way there")

    async def leave_run(self, _run_id: str, addresses: list[str]) -> None:
        self.asked.append(("leave", addresses))

    async def cancel_run(self, _run_id: str, addresses: list[str]) -> None:
        self.asked.append(("cancel", addresses))


class Site:
    """A run with one node that has come."""

    def __init__(self, *, refuses: bool = False, node_timeout: float = 60.0) -> None:
        self.told = Told()
        self.runner = Runner(refuses)
        self.cluster = Cluster()
        self.cluster.nodes["n"] = NODE
        self.queue = RunQueue(FrameworkConfig(node_timeout=node_timeout))
        self.in_flight = InFlight()
        self.changed = asyncio.Event()
        self.nodes = RunNodes(
            "r",
            self.cluster,
            cast(Any, self.runner),
            self.queue,
            self.in_flight,
            self.changed,
            self.told.emit,
        )

    async def admit(self) -> None:
        await self.nodes.begin()
        self.nodes.join(NODE)
        await self.nodes.background.settle()

    @property
    def takes_tests(self) -> bool:
        """Whether the node gets a test that is queued now."""
        self.queue.add(ON_LINUX)
        picks = list(self.queue.picks())
        for pick in picks:
            self.queue.slot_freed(pick.node_id)
        self.queue.withdraw()
        return bool(picks)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_admission, "ADMIT_AGAIN_SECONDS", ())


def test_a_node_that_joins_is_told_and_takes_tests_once_it_knows_the_run() -> None:
    site = Site()
    assert not site.takes_tests
    asyncio.run(site.admit())
    assert [NodeJoined("n", "h", 2, {"os": "linux"}, "first")] == site.told
    assert site.takes_tests
    assert 2 == site.nodes.leave("n")
    assert not site.takes_tests


def test_one_that_joins_when_all_is_done_is_let_go_and_its_end_is_no_loss() -> None:
    async def scenario(site: Site) -> None:
        await site.nodes.end_admission()
        site.nodes.join(NODE)
        await site.nodes.background.settle()

        assert site.nodes.is_retired("n")

    site = Site()
    asyncio.run(scenario(site))

    assert ([], []) == (site.told, site.runner.asked)


def test_one_that_cannot_take_part_is_told_with_the_reason() -> None:
    site = Site(refuses=True)
    assert site.nodes.why_unable([NODE]) is None
    asyncio.run(site.nodes.begin())
    assert [RunNote("node n cannot take part: no way there")] == site.told
    assert "n: no way there" == site.nodes.why_unable([NODE])


@pytest.mark.parametrize("retired", [False, True])
def test_a_node_that_is_held_has_tests_again_unless_it_was_retired(retired: bool) -> None:
    site = Site()
    asyncio.run(site.admit())
    site.nodes.hold("n")
    assert not site.takes_tests
    if retired:
        site.nodes.retire("n")
    site.nodes.reopen("n")
    assert (not retired, retired) == (site.takes_tests, site.nodes.is_retired("n"))


@pytest.mark.parametrize("when", ["before it learns of the run", "while it learns of the run"])
def test_a_node_that_is_retired_while_it_is_let_in_gets_nothing_and_nothing_waits_for_it(when: str) -> None:
    site = Site()

    async def retire_meanwhile() -> None:
        await site.nodes.begin()
        site.nodes.leave("n")
        site.nodes.join(NODE)
        if when.startswith("while"):
            await asyncio.sleep(0)
        site.nodes.retire("n")
        await site.nodes.background.settle()

    asyncio.run(retire_meanwhile())
    assert not site.takes_tests
    assert [] == site.nodes.fitting(ON_LINUX)
    site.queue.add(ON_LINUX)
    assert [ON_LINUX.key] == site.queue.withdraw_unmatched(0.0) + site.queue.withdraw_unmatched(61.0)


def test_a_node_that_is_not_one_of_the_runs_takes_no_part_whenever_it_comes_until_it_is() -> None:
    site = Site()
    admitted = set[str]()
    site.nodes.admits = admitted.__contains__

    async def come() -> None:
        site.nodes.join(NODE)
        await site.nodes.begin()
        await site.nodes.background.settle()

    asyncio.run(come())
    assert ([], [], "no node is left") == (site.told, site.runner.asked, site.nodes.why_none_fits({"os": "linux"}))
    assert not site.takes_tests

    async def take_back() -> None:
        admitted.add("n")
        site.nodes.take_back(NODE)
        await site.nodes.background.settle()

    asyncio.run(take_back())
    assert [NodeJoined("n", "h", 2, {"os": "linux"}, "first")] == site.told
    assert site.takes_tests


def test_a_node_is_drained_when_all_that_it_had_has_landed() -> None:
    site = Site()
    site.in_flight.add("1", DispatchInFlight("n", {("t", ""): QueuedTest(("t", ""), 1, ())}, frozenset()))

    async def drain() -> bool:
        draining = asyncio.create_task(site.nodes.drain("n"))
        await asyncio.sleep(0)
        before = draining.done()
        site.in_flight.land("1")
        site.changed.set()
        await draining
        return before

    assert not asyncio.run(drain())
    assert [("leave", [NODE.address])] == site.runner.asked


def test_a_node_that_is_drained_forgets_the_run_after_what_is_waited_for() -> None:
    site = Site()

    async def bring_home(node_id: str) -> None:
        site.runner.asked.append(("home", [node_id]))

    site.nodes.before_leave = bring_home
    asyncio.run(site.nodes.drain("n"))
    assert [("home", ["n"]), ("leave", [NODE.address])] == site.runner.asked


def test_before_nodes_take_tests_there_is_nothing_to_cancel() -> None:
    site = Site()
    asyncio.run(site.nodes.cancel())
    assert [] == site.runner.asked
    asyncio.run(site.nodes.begin())
    asyncio.run(site.nodes.cancel())
    assert ("cancel", [NODE.address]) == site.runner.asked[-1]


def test_the_nodes_that_fit_are_those_that_are_there() -> None:
    site = Site()
    assert [NODE] == site.nodes.fitting(ON_LINUX)
    assert [] == site.nodes.fitting(ON_BEOS)
    assert [] == site.nodes.fitting(ON_LINUX, gone={NODE.address})


def test_a_node_that_comes_back_in_time_is_waited_for() -> None:
    site = Site(node_timeout=60.0)
    del site.cluster.nodes["n"]

    async def come_back() -> list[LiveNode]:
        waiting = asyncio.create_task(site.nodes.wait_for_fitting(ON_LINUX, set()))
        await asyncio.sleep(0)
        site.cluster.nodes["n"] = NODE
        site.changed.set()
        return await waiting

    assert [NODE] == asyncio.run(come_back())


def test_a_node_that_does_not_come_back_is_not_waited_for_longer() -> None:
    site = Site(node_timeout=0.0)
    del site.cluster.nodes["n"]
    assert [] == asyncio.run(site.nodes.wait_for_fitting(ON_LINUX, set()))


def _mark(site: Site, state: MarkState) -> NodeMark:
    """The node is marked, as a driver hears of it."""
    mark = NodeMark("n", state, "firmware")
    site.cluster.marks = {} if mark.is_open else {"n": mark}
    site.nodes.heed(mark)
    return mark


def test_a_node_that_is_marked_gets_nothing_until_it_is_opened() -> None:
    site = Site()
    asyncio.run(site.admit())
    site.told.clear()

    cordoned = _mark(site, MarkState.CORDONED)
    assert [NodeMarked(cordoned), RunNote("node n gets no more tests: cordoned: firmware")] == site.told
    assert not site.takes_tests
    assert site.nodes.is_retired("n")
    assert [] == site.nodes.fitting(ON_LINUX)
    on_linux = site.nodes.why_none_fits({"os": "linux"})
    assert "the only node that fits gets no tests (n is cordoned: firmware)" == on_linux
    assert "cordoned" not in site.nodes.why_none_fits({"os": "beos"})

    site.told.clear()
    _mark(site, MarkState.OPEN)
    assert RunNote("node n gets tests again: open: firmware") == site.told[1]
    assert site.takes_tests
    assert [NODE] == site.nodes.fitting(ON_LINUX)


def test_a_node_whose_machine_lacks_something_gets_nothing_until_it_has_it() -> None:
    site = Site()
    asyncio.run(site.admit())
    site.told.clear()

    site.nodes.note_lacking("n", "its disk is full")
    assert [RunNote("node n gets no tests: its disk is full")] == site.told
    assert not site.takes_tests
    assert [] == site.nodes.fitting(ON_LINUX)
    assert not site.nodes.is_retired("n")  # its end would be a loss
    site.told.clear()
    assert site.nodes.note_waiting({"os": "linux"}, 2)
    closed = "the only node that fits gets no tests (n: its disk is full)"
    assert [RunNote(f"2 tests wait for up to 60 s, since {closed}")] == site.told
    assert closed == site.nodes.why_none_fits({"os": "linux"})

    _mark(site, MarkState.CORDONED)
    site.nodes.note_lacking("n", None)
    assert RunNote("node n gets tests again") not in site.told
    assert not site.takes_tests
    _mark(site, MarkState.OPEN)
    assert site.takes_tests


def test_what_the_machine_of_a_node_lacked_is_not_what_its_next_one_lacks() -> None:
    site = Site()

    async def scenario() -> None:
        await site.admit()
        site.nodes.note_lacking("n", "its disk is full")
        site.nodes.leave("n")
        site.nodes.join(NODE)
        await site.nodes.background.settle()

    asyncio.run(scenario())

    assert site.takes_tests


def test_a_node_that_was_marked_before_is_let_in_when_it_is_opened() -> None:
    site = Site()
    site.cluster.marks["n"] = NodeMark("n", MarkState.DRAINING)

    async def open_later() -> None:
        await site.admit()
        assert [] == site.runner.asked
        assert not site.takes_tests
        _mark(site, MarkState.OPEN)
        await site.nodes.background.settle()

    asyncio.run(open_later())
    assert [("begin", [NODE.address])] == site.runner.asked
    assert site.takes_tests


def test_a_mark_that_comes_while_the_node_is_let_in_holds() -> None:
    site = Site()

    async def mark_meanwhile() -> None:
        await site.nodes.begin()
        site.nodes.join(NODE)
        _mark(site, MarkState.DRAINING)
        await site.nodes.background.settle()

    asyncio.run(mark_meanwhile())
    assert not site.takes_tests
    site.nodes.hold("n")
    site.nodes.reopen("n")
    assert not site.takes_tests


def test_a_node_that_is_marked_while_it_gets_ready_is_not_waited_for() -> None:
    site = Site()

    async def mark_meanwhile() -> None:
        site.runner.begin_run = lambda *_: asyncio.Event().wait()  # type: ignore[assignment, method-assign]
        site.nodes.join(NODE)
        waiting = asyncio.create_task(site.nodes.wait_for_first())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        _mark(site, MarkState.CORDONED)
        await asyncio.wait_for(waiting, 60)
        await site.nodes.end_admission()

    asyncio.run(mark_meanwhile())


def test_a_mark_of_a_node_that_is_not_there_is_told_when_it_comes() -> None:
    site = Site()
    del site.cluster.nodes["n"]
    mark = _mark(site, MarkState.DRAINING)
    assert [] == site.told
    site.cluster.nodes["n"] = NODE
    asyncio.run(site.admit())
    assert NodeMarked(mark) in site.told
    assert not site.takes_tests


def test_what_waits_for_a_marked_node_is_told_with_what_opens_it() -> None:
    site = Site(node_timeout=5.0)
    _mark(site, MarkState.CORDONED)
    site.told.clear()

    site.nodes.note_waiting({"os": "linux"}, 2)
    site.nodes.note_waiting({"os": "beos"}, 2)

    why = "the only node that fits gets no tests (n is cordoned: firmware)"
    text = f"2 tests wait for up to 5 s, since {why}; `pulseq node undrain n` lets tests there"
    assert [RunNote(text)] == site.told
