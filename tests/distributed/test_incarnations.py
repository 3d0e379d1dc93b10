"""Nodes that die, fall silent and come back: cluster, watch, dispatcher, queue and ledger are the real ones.

Only what Dask carries is made up here: bodies run in a `Fleet`, which writes down each start.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from pulseq.cluster.cluster import Cluster
from pulseq.cluster.health import Sighting
from pulseq.cluster.health_watch import HealthWatch
from pulseq.events import AttemptFinished, AttemptStarted, NodeLost, TestClosed
from pulseq.fleet import FrameworkConfig
from pulseq.models import AttemptResult, CommandBody, PytestItemBody, Reason, Status, TestCase
from pulseq.planning.liveness import LivenessRule
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.from_node import AttemptStart, DispatchDone, NodeMessage
from pulseq.protocol.node_probe import Answer
from pulseq.protocol.work import Dispatch, PytestWork, TestWork
from pulseq.pytest_sessions import PytestSpec
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.run_health import RunHealth
from pulseq.run.run_queue import RunQueue
from tests.reports_home import said_by
from tests.run.told import Told

SPEC = PytestSpec("r", "p", ("tests",), (), False, "/", None)
ANSWER = Answer(0.001, 0.1, 1, 1, 1, 1, 0)


@dataclass
class Process:
    """One start of a node."""

    node_id: str
    address: str
    incarnation: str
    frozen: bool = False
    dead: bool = False
    cancelled: bool = False


@dataclass
class Fleet:
    """What Dask and the nodes do: `kills` says of a body that it ends its node, before it can say that it began.

    A suspect's start is told before it begins.
    """

    kills: Callable[[str, int], bool] = lambda _name, _attempt: False
    tells: bool = False
    cluster: Cluster = field(default_factory=Cluster)
    events: Told = field(default_factory=Told)
    starts: list[tuple[str, int, str]] = field(default_factory=list)
    processes: dict[str, Process] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    refusals: int = 0
    slots: int = 1
    deaths: int = 0

    def __post_init__(self) -> None:
        rule = LivenessRule(0.5, 3.0)
        queue = RunQueue(FrameworkConfig(heartbeat_interval=0.5, node_timeout=3.0))
        self.ledger = self.events.ledger()
        self.dispatcher = Dispatcher("r", self.cluster, cast(Any, self), self.ledger, queue, specs={"p": SPEC})
        self.cluster.on_joined, self.cluster.on_left = self.dispatcher.nodes.join, self.dispatcher.lose_node
        self.health = RunHealth(self.cluster, self.dispatcher.nodes, self.events.emit, FrameworkConfig())
        self.watch = HealthWatch(rule, "tcp://s")

    async def _call(self, what: str, addresses: list[str]) -> None:
        self.calls += [(what, address) for address in addresses]
        if what == "begin" and self.refusals:
            self.refusals -= 1
            raise RuntimeError("the API is not there")

    async def begin_run(self, _run_id: str, addresses: list[str], *_further: object) -> None:
        await self._call("begin", addresses)

    async def leave_run(self, _run_id: str, addresses: list[str]) -> None:
        await self._call("leave", addresses)

    async def ask_back(self, *_: Any) -> None:
        return

    async def no_next(self, *_: Any) -> None:
        return

    def send(self, dispatch: Dispatch, address: str, *, priority: int, on_trouble: Callable[[str, str], None]) -> None:
        process = next(one for one in self.processes.values() if one.address == address)
        asyncio.get_running_loop().call_soon(self._run, dispatch, process)

    def _run(self, dispatch: Dispatch, process: Process) -> None:
        untold: list[NodeMessage | AttemptResult] = []
        for work, task_run in zip(dispatch.work, dispatch.task_runs, strict=True):
            for name, attempt in _bodies(work):
                if process.dead or process.frozen:
                    return
                start = AttemptStart(name, "", attempt, str(task_run))
                if work.suspect or self.tells:
                    self._say(process, start)
                else:
                    untold.append(start)
                self.starts.append((name, attempt, process.incarnation))
                if self.kills(name, attempt):
                    self.kill(process)
                    return
                untold.append(AttemptResult(name, attempt, process.node_id, Status.PASSED))
        self._say(process, *untold, DispatchDone(dispatch.key))

    def _say(self, process: Process, *messages: NodeMessage | AttemptResult) -> None:
        self.dispatcher.receive(said_by(process.node_id, *messages, incarnation=process.incarnation))

    def start(self, node_id: str, address: str | None = None) -> Process:
        """A node's process begins, and joins."""
        number = sum(one.node_id == node_id for one in self.processes.values()) + 1
        incarnation = f"{node_id}.{number}"
        process = self.processes[incarnation] = Process(node_id, address or f"tcp://{incarnation}", incarnation)
        self._tell("joined", process)
        return process

    def kill(self, process: Process) -> None:
        """Its process ends; its owner starts another at once, but five times at most."""
        process.dead = True
        self.deaths += 1
        loop = asyncio.get_running_loop()
        loop.call_soon(self._tell, "left", process)
        if self.deaths <= 5:
            loop.call_soon(self.start, process.node_id)

    def _tell(self, event: str, process: Process) -> None:
        labels = {"id": process.node_id, "slots": self.slots, "capabilities": {}, "incarnation": process.incarnation}
        labels["protocol"] = PROTOCOL
        message = {"event": event, "address": process.address, "labels": labels, "why": "its connection ended"}
        task = asyncio.get_running_loop().create_task(self.cluster._handle_node_event((0.0, message)))
        self._tasks = [*getattr(self, "_tasks", []), task]

    def look(self, now: float, *processes: Process) -> None:
        """The watch sees these processes, the frozen ones without an answer."""
        sightings = [
            Sighting(
                one.node_id, one.address, 1, now if one.frozen else 0.0, None if one.frozen else ANSWER, one.incarnation
            )
            for one in processes
        ]
        self.health.take(self.watch.take(sightings, now))

    async def run(self, *cases: TestCase, during: Callable[[], Any] | None = None) -> dict[str, str]:
        """Run tests; the verdicts."""
        for case in cases:
            self.dispatcher.accept(case)
        await self.dispatcher.begin()
        running = asyncio.create_task(self.dispatcher.run())
        if during is not None:
            await during()
        await asyncio.wait_for(running, 20)
        await self.dispatcher.settle()
        closed = [event for event in self.events if isinstance(event, TestClosed)]
        assert len(closed) == len({event.test_id for event in closed})
        return {event.test_id: str(event.reason or event.status) for event in closed}

    def lost(self) -> list[str]:
        return [event.node_id for event in self.events if isinstance(event, NodeLost)]


def _bodies(work: TestWork | PytestWork) -> list[tuple[str, int]]:
    if isinstance(work, TestWork):
        return [(work.test.id, work.attempt)]
    return [(order.test_id, order.attempt) for order in work.orders]


def _commands(count: int) -> list[TestCase]:
    return [TestCase(f"t{number}", CommandBody(("true",))) for number in range(count)]


def _items(count: int) -> list[TestCase]:
    return [
        TestCase(f"test_a.py::t{n}", PytestItemBody("p", f"test_a.py::t{n}"), duration=0.05, requirements={})
        for n in range(count)
    ]


async def _turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_node_that_was_given_up_and_answers_again_gets_tests_again() -> None:
    async def run() -> tuple[dict[str, str], list[tuple[str, str]]]:
        fleet = Fleet()
        node = fleet.start("n1")
        await _turns()
        fleet.look(0.0, node)
        node.frozen = True

        async def thaw() -> None:
            await _turns()
            fleet.look(2.0, node)
            fleet.look(4.0, node)
            await _turns()
            assert ["n1"] == fleet.lost()
            node.frozen = False
            fleet.look(4.5, node)

        verdicts = await fleet.run(*_commands(4), during=thaw)
        return verdicts, fleet.calls

    verdicts, calls = asyncio.run(run())
    assert dict.fromkeys(["t0", "t1", "t2", "t3"], "passed") == verdicts
    # What it was at when it fell silent is ended before it takes part again.
    assert ["begin", "leave", "begin"] == [what for what, _ in calls]


@pytest.mark.parametrize("address", [None, "tcp://fixed"])
def test_a_death_that_a_look_finds_later_is_not_that_of_the_process_that_came_after(address: str | None) -> None:
    async def run() -> tuple[dict[str, str], list[str]]:
        fleet = Fleet(kills=lambda name, attempt: attempt == 1 and name == "t0", tells=True)
        node = fleet.start("n1", address)
        await _turns()
        fleet.look(0.0, node)

        held = asyncio.Event()
        real = fleet._run

        def hold(dispatch: Dispatch, process: Process) -> None:
            if process.incarnation == "n1.2" and not held.is_set():
                held.set()
                asyncio.get_running_loop().call_later(0.05, real, dispatch, process)
            else:
                real(dispatch, process)

        fleet._run = hold  # type: ignore[method-assign]

        async def look_later() -> None:
            await held.wait()
            fleet.look(10.0, fleet.processes["n1.2"])

        return await fleet.run(*_commands(2), during=look_later), fleet.lost()

    verdicts, lost = asyncio.run(run())
    assert {"t0": "passed", "t1": "passed"} == verdicts
    assert ["n1"] == lost


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("killer", [0, 7, 30, 60])
def test_an_item_that_ends_its_node_in_its_first_statement_is_named_and_no_other(nodes: int, killer: int) -> None:
    async def run() -> tuple[dict[str, str], Fleet]:
        fleet = Fleet(kills=lambda name, _: name == f"test_a.py::t{killer}")
        for number in range(nodes):
            fleet.start(f"n{number}")
        await _turns()
        return await fleet.run(*_items(61)), fleet

    verdicts, fleet = asyncio.run(run())
    bad = {name: verdict for name, verdict in verdicts.items() if verdict != "passed"}
    assert ({f"test_a.py::t{killer}": "node_lost"}, 61, 2) == (bad, len(verdicts), fleet.deaths)
    assert {1} == set(Counter((name, attempt) for name, attempt, _ in fleet.starts).values())


@pytest.mark.parametrize("seed", range(60))
def test_whenever_nodes_die_no_attempt_starts_twice_and_all_have_their_verdict(seed: int) -> None:
    chance = random.Random(seed)
    fatal = {chance.randrange(80) for _ in range(chance.randrange(1, 5))}
    started = [0]
    had: set[str] = set()

    def kills(name: str, _attempt: int) -> bool:
        started[0] += 1
        if started[0] not in fatal or name in had:  # what dies twice under the same test is the test's doing
            return False
        had.add(name)
        return True

    async def run() -> tuple[dict[str, str], Fleet]:
        fleet = Fleet(kills=kills, tells=chance.random() < 0.5, slots=chance.choice([1, 2, 4]))
        for number in range(chance.choice([1, 2, 3])):
            fleet.start(f"n{number}")
        await _turns()
        return await fleet.run(*_items(40), *_commands(20)), fleet

    verdicts, fleet = asyncio.run(run())
    assert 60 == len(verdicts)
    # Who is named was there when a node died, and may have been there when another one did.
    assert {name for name, verdict in verdicts.items() if verdict != "passed"} <= had
    assert {1} == set(Counter((name, attempt) for name, attempt, _ in fleet.starts).values())
    told = Counter((event.test_id, event.attempt) for event in fleet.events if isinstance(event, AttemptStarted))
    finished = [event.result for event in fleet.events if isinstance(event, AttemptFinished)]
    assert set(told.values()) == {1}
    assert len(finished) == len({(result.test_id, result.attempt) for result in finished})
    assert all(result.started_at for result in finished if result.reason is Reason.NODE_LOST)


def test_an_entering_that_failed_is_tried_again() -> None:
    async def run() -> dict[str, str]:
        fleet = Fleet(refusals=2)
        fleet.start("n1")
        await _turns()
        return await fleet.run(*_commands(1))

    assert {"t0": "passed"} == asyncio.run(run())


def test_a_node_that_is_there_and_never_takes_part_makes_nothing_unsatisfiable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.run.node_admission.ADMIT_AGAIN_SECONDS", (0.0, 0.0))

    async def run() -> list[TestClosed]:
        fleet = Fleet(refusals=100)
        fleet.start("n1")
        await _turns()
        await fleet.run(*_commands(1))
        return [event for event in fleet.events if isinstance(event, TestClosed)]

    (closed,) = asyncio.run(run())
    assert (closed.reason, closed.error) == (
        Reason.INTERNAL,
        "no node that fits can take part: n1: the API is not there",
    )
