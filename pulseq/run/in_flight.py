"""Dispatches: made of what was picked, and found by their keys while they are on their way or at work."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from msgspec.structs import replace

from pulseq.models import Key, PytestItemBody, TestCase
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work, name_task_run, pack_name
from pulseq.pytest_sessions import PytestOrder, PytestSpec
from pulseq.records import SentTo
from pulseq.run.ledger import Begun, Ledger


@dataclass(slots=True)
class DispatchInFlight:
    """A dispatch in flight, with those of its tests that have no verdict yet.

    Attributes:
        in_place: the tests that Prefect retries on the node, in the same task run.
        follows: the dispatch whose slot it gets when that has landed; until then it holds none.
        task_runs: the names of its task runs, by their id.
        scopes_begun: packs and scopes of which the node has begun a test: the others of these have to stay there.
        running: the test that the node said last that it has begun, and `began_at` when that was (monotonic).
    """

    node_id: str
    tests: dict[Key, QueuedTest]
    in_place: frozenset[Key]
    task_runs: Mapping[UUID, str] = field(default_factory=dict)
    follows: str | None = None
    scopes_begun: set[tuple[object, str]] = field(default_factory=set)
    running: Key | None = None
    began_at: float = 0.0
    _tests_begun: set[Key] = field(default_factory=set)

    def begin(self, test: Key) -> None:
        """The node has begun a test."""
        self.running, self.began_at = test, time.monotonic()
        self._tests_begun.add(test)
        queued = self.tests.get(test)
        if queued is not None and queued.scope is not None:
            self.scopes_begun.add((queued.pack, queued.scope))

    def not_begun(self) -> list[QueuedTest]:
        """The tests that the node has not begun, as far as is known here, in their order."""
        return [test for key, test in self.tests.items() if key not in self._tests_begun]


class InFlight:
    """Every dispatch in flight; a test is in one of them at most.

    Attributes:
        by_key: all of them, by their keys, the first that left first.
    """

    def __init__(self) -> None:
        self.by_key: dict[str, DispatchInFlight] = {}
        self._by_node: dict[str, dict[str, DispatchInFlight]] = {}
        self._followers: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.by_key)

    def add(self, key: str, dispatch: DispatchInFlight) -> None:
        """A dispatch leaves."""
        self.by_key[key] = dispatch
        self._by_node.setdefault(dispatch.node_id, {})[key] = dispatch
        if dispatch.follows is not None:
            self._followers[dispatch.follows] = key

    def carrying(self, sent: SentTo | None) -> DispatchInFlight | None:
        """The dispatch that carries a test which was sent so; None for one that has landed."""
        return None if sent is None else self.by_key.get(sent.dispatch)

    def is_on(self, node_id: str) -> bool:
        """Whether anything is under way on a node."""
        return node_id in self._by_node

    def on(self, node_id: str) -> Mapping[str, DispatchInFlight]:
        """What is under way on a node, by the keys of the dispatches."""
        return self._by_node.get(node_id, {})

    def follower_of(self, key: str) -> tuple[str, DispatchInFlight] | None:
        """What gets the slot of a dispatch when that has landed, with the key of it."""
        follower = self._followers.get(key, "")
        return (follower, self.by_key[follower]) if follower in self.by_key else None

    def land(self, key: str) -> DispatchInFlight | None:
        """A dispatch is done; None for one that is not known any more."""
        dispatch = self.by_key.pop(key, None)
        if dispatch is None:
            return None
        there = self._by_node[dispatch.node_id]
        del there[key]
        if not there:
            del self._by_node[dispatch.node_id]
        return dispatch

    def hand_on(self, key: str, landed: DispatchInFlight) -> bool:
        """Give the slot of a dispatch that has landed to the one that follows; False where it is free now."""
        if landed.follows is not None:  # it never had one
            return True
        following = self.follower_of(key)
        self._followers.pop(key, None)
        if following is not None:
            following[1].follows = None
        return following is not None

    def lose_node(self, node_id: str) -> list[DispatchInFlight]:
        """All that was on a node that is gone."""
        keys = list(self.on(node_id))
        lost = [dispatch for key in keys if (dispatch := self.land(key)) is not None]
        for key in keys:
            self._followers.pop(key, None)
        return lost

    def clear(self) -> None:
        """Forget all: nobody is there any more."""
        for book in (self.by_key, self._by_node, self._followers):
            book.clear()


def begun_of(lost: Iterable[DispatchInFlight], slots: int) -> dict[Key, Begun]:
    """What may have begun, of all that was on a node with so many slots: what it said last did not come home."""
    dispatches = list(lost)
    begun: dict[Key, Begun] = {}
    at_work = sorted((one for one in dispatches if one.follows is None), key=lambda one: one.running is None)[:slots]
    for dispatch in dispatches:
        # What it was to follow is done, or nearly: its last result may have been on its way.
        waits = dispatch.follows is not None and any(other.tests for other in dispatches if other is not dispatch)
        first = Begun.NEXT if dispatch in at_work and dispatch.running not in dispatch.tests else Begun.PERHAPS
        for key in dispatch.tests:
            begun[key] = Begun.NO if waits else first
            first = Begun.PERHAPS
    return begun


def build_dispatch(
    key: str, run_id: str, pick: Pick, ledger: Ledger, specs: Mapping[str, PytestSpec], *, after: str | None = None
) -> tuple[Dispatch, DispatchInFlight]:
    """What is sent for a pick, and what is kept of it; `after` is the dispatch whose slot it will have."""
    work, in_place = build_work(pick.tests, ledger, specs)
    work = [_named(unit, pick.node_id, ledger) for unit in work]
    task_runs = {uuid4(): unit.name for unit in work}
    tests = {test.key: test for test in pick.tests}
    in_order = {key: tests[key] for unit in work for key in unit.keys}
    priority = max(int(test.priority) for test in pick.tests)
    dispatch = Dispatch(key, run_id, tuple(work), tuple(task_runs), after, priority)
    return dispatch, DispatchInFlight(pick.node_id, in_order, in_place, task_runs, after)


def _named(unit: Work, node_id: str, ledger: Ledger) -> Work:
    name = name_task_run(unit.name, node_id, [ledger.case(key) for key in unit.keys])
    return replace(unit, name=name)


def build_work(
    tests: Iterable[QueuedTest], ledger: Ledger, specs: Mapping[str, PytestSpec]
) -> tuple[list[Work], frozenset[Key]]:
    """The task runs that carry these tests, and the tests that Prefect retries in place.

    A test of its own is retried by its task run; one of a pack is not, since the whole pack would be.
    What is packed of one entry shares a task run, whatever files it is of: a dispatch takes a few seconds.
    A scope has one of its own: it can be asked back as a whole, or not at all.
    """
    work: list[Work] = []
    packs: list[list[QueuedTest]] = []
    latest: dict[object, list[QueuedTest]] = {}
    in_place: set[Key] = set()
    for test in tests:
        if test.pack is None:
            in_place.add(test.key)
            work.append(_single(ledger.case(test.key), ledger, specs))
            continue
        entry = test.pack[0]
        if entry not in latest or latest[entry][-1].scope != test.scope:
            latest[entry] = []
            packs.append(latest[entry])
        latest[entry].append(test)
    work.extend(_pack(pack, ledger, specs) for pack in packs)
    return work, frozenset(in_place)


def _single(case: TestCase, ledger: Ledger, specs: Mapping[str, PytestSpec]) -> Work:
    test = ledger.test(case.key)
    attempt, retries, failed, suspect = test.next_attempt, test.retries_left, test.has_failed, test.is_suspect
    if not isinstance(case.body, PytestItemBody):
        # Nodes read no labels, which may be anything that a program has put there.
        there = dataclasses.replace(case, labels={}) if case.labels else case
        return TestWork(case.id, there, attempt, retries, failed, suspect)
    order = _order(case, case.body, ledger)
    spec = specs[case.body.entry]
    # A further attempt gets a fork that no earlier test has touched.
    delay = case.retry_delay_seconds
    return PytestWork(case.id, spec, (order,), retries, delay, attempt > 1, failed, suspect=suspect)


def _pack(tests: Sequence[QueuedTest], ledger: Ledger, specs: Mapping[str, PytestSpec]) -> PytestWork:
    cases = [ledger.case(test.key) for test in tests]
    bodies = [case.body for case in cases if isinstance(case.body, PytestItemBody)]
    orders = tuple(_order(case, body, ledger) for case, body in zip(cases, bodies, strict=True))
    return PytestWork(pack_name(orders), specs[bodies[0].entry], orders, whole=tests[0].scope is not None)


def _order(case: TestCase, body: PytestItemBody, ledger: Ledger) -> PytestOrder:
    attempt = ledger.test(case.key).next_attempt
    return PytestOrder(case.id, case.variant, body.nodeid, attempt, case.timeout_seconds, case.metrics)
