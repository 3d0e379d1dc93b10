"""What a driver sends a node to run: dispatches, which carry task runs, which carry tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from pulseq.models import Key, TestCase
from pulseq.pytest_sessions import PytestOrder, PytestSpec, name_pack


class TestWork(Struct, frozen=True, tag="test"):
    """One test as a Prefect task run of its own: `attempt` is the number of its first attempt there.

    `failed_before` says that an attempt in another task run has failed; of a `suspect`, under which a node was
    lost, the start is told before it begins.
    """

    __test__ = False

    name: str
    test: TestCase
    attempt: int
    max_retries: int
    failed_before: bool = False
    suspect: bool = False

    @property
    def timeout_seconds(self) -> float | None:
        return self.test.timeout_seconds

    @property
    def keys(self) -> list[Key]:
        return [self.test.key]


class PytestWork(Struct, frozen=True, tag="pytest"):
    """Items of one collected pytest session that share a task run; a single one may have retries.

    `fresh` asks for a new fork, whose state no earlier test has touched; `failed_before` and `suspect` are those of
    `TestWork`.
    Of one that is `whole` no part can be had back: its items have to run on one slot.
    """

    name: str
    spec: PytestSpec
    orders: tuple[PytestOrder, ...]
    max_retries: int = 0
    retry_delay_seconds: float = 0.0
    fresh: bool = False
    failed_before: bool = False
    whole: bool = False
    suspect: bool = False

    @property
    def keys(self) -> list[Key]:
        return [order.key for order in self.orders]


#: What one task run does.
Work: TypeAlias = TestWork | PytestWork


class Dispatch(Struct, frozen=True, tag="dispatch"):
    """What a node gets at once, into one slot: task runs that are done one after the other.

    `task_runs` are their ids at Prefect, given by the driver: whatever becomes of the node, it knows them.
    `after` is the dispatch whose slot it gets once that is done; others wait for any, the highest `priority` first.
    """

    key: str
    run_id: str
    work: tuple[Work, ...]
    task_runs: tuple[UUID, ...]
    after: str | None = None
    priority: int = 0

    @property
    def keys(self) -> frozenset[Key]:
        """The tests that it is of."""
        return frozenset(key for work in self.work for key in work.keys)


def pack_name(orders: Sequence[PytestOrder]) -> str:
    """The name of a task run of items of one file or of several."""
    return orders[0].test_id if len(orders) == 1 else name_pack([order.nodeid for order in orders])
