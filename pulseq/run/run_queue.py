"""The ready queue of a run, and the decisions about it: what is picked for whom, and what fits nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar, cast

from pulseq.capabilities import match, requirement_key
from pulseq.fleet import FrameworkConfig
from pulseq.models import CapabilityValue, Key, Priority, PytestItemBody, SimulateBody, TestCase
from pulseq.planning.expected import ExpectedDurations
from pulseq.planning.packing import WHOLE_FILES, PackLimits
from pulseq.planning.queued import NodeOffer, QueuedTest
from pulseq.planning.ready_queue import Pick, ReadyQueue
from pulseq.run.explained_picks import explain_pick, explain_prefetch, explain_waiting

T = TypeVar("T", bound=Hashable)
logger = logging.getLogger("pulseq.schedule")
#: A pytest item that is expected to take this long is a task run of its own.
LONG_ITEM_SECONDS = 1.0


class UnmatchedWatch:
    """Knows since when a class of requirements has no node that fits and takes tests.

    One that no node of this run ever fitted has nothing to wait for. One whose nodes have all left, or been marked,
    waits `patience_seconds` for one to come back.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._fitted: set[Hashable] = set()
        self._since: dict[Hashable, float] = {}
        self._begun: list[Hashable] = []

    def note_fit(self, requirement_key: Hashable) -> None:
        """A node has been there that fits."""
        self._fitted.add(requirement_key)

    def due(self, unmatched: Iterable[Hashable], now: float) -> list[Hashable]:
        """Those of the classes without a node that have waited long enough.

        Args:
            unmatched: all classes that have tests waiting and no node now.
            now: monotonic seconds.
        """
        since = {key: self._since.get(key, now if key in self._fitted else float("-inf")) for key in unmatched}
        self._begun += [key for key in since if key in self._fitted and key not in self._since]
        over = [key for key, start in since.items() if now - start >= self._patience_seconds]
        self._since = {key: start for key, start in since.items() if key not in over}
        return over

    def take_begun(self) -> list[Hashable]:
        """The classes that have begun to wait since this was last asked."""
        begun, self._begun = self._begun, []
        return begun

    def seconds_left(self, now: float) -> float | None:
        """Until the next class is due; None when none waits."""
        if not self._since:
            return None
        return max(min(self._since.values()) + self._patience_seconds - now, 0.0)


class RunQueue:
    """The ready queue of a run, and its decisions: what is picked for whom, what fits nobody.

    Args:
        granularity: `test` makes every pytest item a task run of its own, `file` a whole file, `auto` short ones.
        failed_first: ids of tests that go before all others.

    Attributes:
        expected: what earlier runs know of durations.
    """

    def __init__(
        self, config: FrameworkConfig, *, granularity: str = "auto", failed_first: frozenset[str] = frozenset()
    ) -> None:
        self.config = config
        self.expected = ExpectedDurations()
        self._granularity = granularity
        self._failed_first = failed_first
        self._unmatched = UnmatchedWatch(config.node_timeout)
        limits = WHOLE_FILES if granularity == "file" else PackLimits()
        self._queue = ReadyQueue(self._class_fits, strategy=config.strategy, limits=limits)
        self._requirements: dict[Hashable, Mapping[str, CapabilityValue]] = {}
        self._offers: dict[str, NodeOffer] = {}
        #: What nodes offer that are there and still get ready.
        self._coming: dict[str, Mapping[str, CapabilityValue]] = {}
        #: What nodes offered that took part and have left.
        self._gone: dict[str, Mapping[str, CapabilityValue]] = {}
        self._shared: dict[Hashable, Hashable] = {}
        #: Entries whose items go in the order of their collection.
        self._ordered: set[str] = set()
        self._sequence = 0

    def add(self, case: TestCase, *, alone: bool = False, avoid: frozenset[str] = frozenset()) -> None:
        """A test is ready to run; `alone` keeps it out of packs, `avoid` are nodes that were lost under it."""
        self._sequence += 1
        class_key = self._share(requirement_key(case.requirements))
        if class_key not in self._requirements:
            self._requirements[class_key] = case.requirements
            for offered in self._gone.values():
                self._class_fits(class_key, offered)
        first = case.id in self._failed_first
        scope = None if alone else self._scope_of(case)
        self._queue.add(
            QueuedTest(
                case.key,
                self._sequence,
                class_key,
                Priority.CRITICAL if first else case.priority,
                self._expected(case),
                None if alone else self._pack_of(case),
                avoid,
                self._group_of(case),
                scope,
                collected=not alone and isinstance(case.body, PytestItemBody),
                ordered=not alone and isinstance(case.body, PytestItemBody) and case.body.entry in self._ordered,
            )
        )

    def keep_order(self, entry_id: str) -> None:
        """Have the items of an entry, which are yet to be added, go in their order, on each slot forward alone.

        Whole files that are asked for stay whole.
        """
        if self._granularity != "file":
            self._ordered.add(entry_id)

    def add_again(self, test: QueuedTest) -> None:
        """A test that was picked waits again, where it stood."""
        self._queue.add(test)

    def node_coming(self, node_id: str, capabilities: Mapping[str, CapabilityValue]) -> None:
        """A node is there that will take tests, or leave: what it fits waits for that."""
        self._coming[node_id] = capabilities

    def node_joined(self, node_id: str, slots: int, capabilities: Mapping[str, CapabilityValue]) -> None:
        """A node is there, all of its slots free."""
        self._coming.pop(node_id, None)
        self._gone.pop(node_id, None)
        slowness = self.expected.slowness(requirement_key(capabilities))
        self._offers[node_id] = offer = NodeOffer(node_id, slots, capabilities, slowness)
        self._queue.node_joined(offer)

    def node_left(self, node_id: str) -> None:
        """A node is gone."""
        self._coming.pop(node_id, None)
        if (offer := self._offers.pop(node_id, None)) is not None:
            self._gone[node_id] = offer.capabilities
        self._queue.node_left(node_id)

    def set_open(self, node_id: str, is_open: bool) -> None:
        """Let a node have more tests, or none."""
        if node_id in self._offers:
            self._queue.set_open(node_id, is_open)

    def set_marked(self, node_id: str, is_marked: bool) -> None:
        """Let a node have nothing more, and no test wait for its slots, or take that back."""
        if is_marked:
            self._coming.pop(node_id, None)
        self._queue.set_marked(node_id, is_marked)

    def slot_freed(self, node_id: str) -> None:
        """A dispatch that a node held is done."""
        self._queue.slot_freed(node_id)

    def learn(self, test: QueuedTest, seconds: float) -> None:
        """A test took so long: others of its file may, too."""
        self._queue.learn(test, seconds)

    @property
    def may_steal(self) -> bool:
        """Whether a part of a dispatch may be had back: whole files stay whole."""
        return self._granularity != "file"

    @property
    def has_idle_slots(self) -> bool:
        """Whether a slot has nothing to do."""
        return self._queue.has_idle_slots

    def idle_slots(self, test: QueuedTest) -> int:
        """How many slots have nothing to do that a test can go to."""
        return self._queue.idle_slots(test)

    def may_go(self, test: QueuedTest, node_id: str) -> bool:
        """Whether a node that takes tests may have this one."""
        return self._queue.may_go(test, node_id)

    def waits_for(self, node_id: str) -> bool:
        """Whether a test waits that a node which takes tests may have."""
        return self._queue.waits_for(node_id)

    def slots_of(self, node_id: str) -> int:
        """The slots of a node; none of one that has left."""
        return self._queue.slots_of(node_id)

    def seconds_of(self, test: QueuedTest) -> float:
        """What a test is reckoned with, whatever is known of it."""
        return self._queue.seconds_of(test)

    @property
    def waiting(self) -> int:
        """How many tests wait."""
        return self._queue.waiting

    def picks(self) -> Iterator[Pick]:
        """What to send now, and where; each pick has its slot and its tests as it is made."""
        for pick in self._queue.picks():
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("%s", self._say(pick))
            yield pick
        if logger.isEnabledFor(logging.DEBUG):
            for key, count in self._queue.waiting_by_class().items():
                logger.debug("%s", explain_waiting(count, self._requirements[key], self._offers))

    def prefetch(self, node_id: str, behind_seconds: float, wanted: Callable[[QueuedTest], bool]) -> Pick | None:
        """What is to follow on a slot that is not free yet, as `ReadyQueue.prefetch` says."""
        pick = self._queue.prefetch(node_id, behind_seconds, wanted)
        if pick is not None and logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", explain_prefetch([test.key[0] for test in pick.tests], node_id))
        return pick

    def withdraw_unmatched(self, now: float) -> list[Key]:
        """Take out the tests that no node fits, or none any more for longer than `node_timeout`."""
        unmatched = [key for key in self._queue.unmatched() if not self._is_coming(key)]
        due = self._unmatched.due(unmatched, now)
        return [test.key for key in due for test in self._queue.withdraw(key)]

    def take_hopeful(self) -> list[tuple[Mapping[str, CapabilityValue], int]]:
        """What has begun to wait for a node to come back, or to be opened, since this was last asked, and how much."""
        waiting = self._queue.waiting_by_class()
        return [(self._requirements[key], waiting[key]) for key in self._unmatched.take_begun() if key in waiting]

    def _is_coming(self, key: Hashable) -> bool:
        """Whether a node gets ready that fits this class."""
        return any(match(self._requirements[key], offered).fits for offered in self._coming.values())

    def seconds_left(self, now: float) -> float | None:
        """Until `withdraw_unmatched` has something to end; None when nothing waits for a node."""
        return self._unmatched.seconds_left(now)

    def withdraw(self) -> None:
        """Forget all that waits."""
        self._queue.withdraw()

    def _class_fits(self, key: Hashable, capabilities: Mapping[str, CapabilityValue]) -> bool:
        fits = match(self._requirements[key], capabilities).fits
        if fits:
            self._unmatched.note_fit(key)
        return fits

    def _expected(self, case: TestCase) -> float | None:
        if isinstance(case.body, SimulateBody):
            return case.body.duration
        nodeid = case.body.nodeid if isinstance(case.body, PytestItemBody) else None
        return self.expected.seconds(case.key, declared=case.duration, nodeid=nodeid)

    def _pack_of(self, case: TestCase) -> tuple[object, str] | None:
        if not isinstance(case.body, PytestItemBody) or self._granularity == "test":
            return None
        if case.body.scope is not None:  # also what is known to be long: it is not alone
            return self._share((case.body.entry, case.body.scope))
        if self._granularity == "auto" and (self._expected(case) or 0.0) >= LONG_ITEM_SECONDS:
            return None
        return self._share((case.body.entry, case.body.nodeid.split("::", 1)[0]))

    def _scope_of(self, case: TestCase) -> str | None:
        """What an item has to stay with, unless each was asked to go by itself."""
        return case.body.scope if isinstance(case.body, PytestItemBody) and self._granularity != "test" else None

    def _group_of(self, case: TestCase) -> str | None:
        """The class that an item is in: its fixtures may be set up for all of it."""
        if not isinstance(case.body, PytestItemBody):
            return None
        where = case.body.nodeid.partition("[")[0].rpartition("::")[0]
        return self._share(where) if "::" in where else None

    def _share(self, value: T) -> T:
        """The first object that was equal to this one: many tests have few classes and files."""
        return cast(T, self._shared.setdefault(value, value))

    def _say(self, pick: Pick) -> str:
        names = [test.key[0] for test in pick.tests]
        requirements = self._requirements[pick.tests[0].requirement_key]
        return explain_pick(names, requirements, pick.node_id, self._offers, self._queue.loads(), self.config.strategy)
