"""A dispatch that a node has: what of it has begun, and what can still be given back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from uuid import UUID

from msgspec.structs import replace

from pulseq.models import Key
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work, pack_name
from pulseq.pytest_sessions import PytestOrder, PytestSpec


class DispatchUnderWay:
    """The task runs of a dispatch, begun one after the other.

    Attributes:
        begun: the piece of work that was begun last.
        asking: held while tests are asked back, of which its node tells before it tells that the dispatch is done.
    """

    def __init__(self, dispatch: Dispatch, without: AbstractSet[Key] = frozenset()) -> None:
        self.begun: Work | None = None
        self.asking = asyncio.Lock()
        self._promised: Key | None = None
        self._waiting = list(zip(dispatch.work, dispatch.task_runs, strict=True))
        self.give_back(without)

    def __iter__(self) -> Iterator[tuple[Work, UUID]]:
        """Begin one after the other, as long as there are any."""
        while self._waiting:
            self.begun, task_run = self._waiting.pop(0)
            yield self.begun, task_run

    def give_back(self, tests: AbstractSet[Key]) -> list[Key]:
        """Take these tests out of what has not begun; those that were there."""
        taken: list[Key] = []
        left: list[tuple[Work, UUID]] = []
        for work, task_run in self._waiting:
            wanted = self._to_give(work, tests)
            taken += wanted
            if len(wanted) < len(work.keys):
                left.append((without_tests(work, wanted) if wanted else work, task_run))
        self._waiting = left
        return taken

    def _to_give(self, work: Work, tests: AbstractSet[Key]) -> list[Key]:
        wanted = [key for key in work.keys if key in tests and key != self._promised]
        return [] if is_whole(work) and len(wanted) < len(work.keys) else wanted

    def orders_of(self, tests: AbstractSet[Key]) -> frozenset[PytestOrder]:
        """The items of the pack that has begun and that may still wait there, among these tests."""
        if not isinstance(self.begun, PytestWork) or len(self.begun.orders) < 2 or self.begun.whole:
            return frozenset()
        return frozenset(order for order in self.begun.orders if order.key in tests - {self._promised})

    @property
    def has_more(self) -> bool:
        """Whether a piece of work has not begun."""
        return bool(self._waiting)

    def promise_first(self, spec: PytestSpec) -> PytestOrder | None:
        """The item that begins next, which then stays here; None where no runner of this session goes on with it."""
        work = self._waiting[0][0] if self._waiting else None
        if not isinstance(work, PytestWork) or work.spec != spec or work.fresh:
            return None
        self._promised = work.orders[0].key
        return work.orders[0]


def is_whole(work: Work) -> bool:
    """Whether it can be given back as a whole alone."""
    return isinstance(work, PytestWork) and work.whole


def without_tests(work: Work, tests: Iterable[Key]) -> Work:
    """A pack with fewer items, under a name that tells of these alone."""
    if isinstance(work, TestWork):
        return work
    orders = tuple(order for order in work.orders if order.key not in tests)
    return replace(work, orders=orders, name=pack_name(orders))
