"""What travels between driver and node: dispatches there, messages back. Picklable, opaque to Dask and Prefect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from msgspec import Struct

from pulseq.execution.pytest_results import SessionResult
from pulseq.models import AttemptResult, PytestOrder, PytestSpec, TestCase, name_pack

#: Longer names of task runs and flow runs are cut; the journal and the database have them whole.
MAX_NAME_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class TestWork:
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


@dataclass(frozen=True, slots=True)
class PytestWork:
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


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What a node gets at once, into one slot: task runs that are done one after the other.

    `task_runs` are their ids at Prefect, given by the driver: whatever becomes of the node, it knows them.
    `after` is the dispatch whose slot it gets once that is done; others wait for any, the highest `priority` first.
    """

    key: str
    run_id: str
    work: tuple[TestWork | PytestWork, ...]
    task_runs: tuple[UUID, ...]
    after: str | None = None
    priority: int = 0


class TaskRunInput:
    """The parameter of a Prefect task run.

    A plain class on purpose: Prefect walks through containers, dataclasses and models that it gets as
    parameters, looking for futures; a test's own data has none and may be large.
    """

    def __init__(self, work: TestWork | PytestWork, run: Any) -> None:
        self.work = work
        self.run = run

    def __str__(self) -> str:
        return shown_name(self.work.name)


def shown_name(name: str) -> str:
    """A name as Prefect can take it: an event of over 1.5 MB, or text that is no UTF-8, ends the task run."""
    return _cut(name, MAX_NAME_CHARACTERS).encode("utf-8", "backslashreplace").decode()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


class AttemptStart(Struct, frozen=True):
    """Message: a body is being started."""

    test_id: str
    variant: str
    attempt: int
    task_run: str | None


@dataclass(frozen=True, slots=True)
class DispatchDone:
    """Message: a dispatch has nothing more to say; `trouble` is set where the node itself failed."""

    key: str
    task_runs: int
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class TestsRecalled:
    """Message: of the tests that were asked back of a dispatch, these had not begun and will not run in it."""

    __test__ = False

    key: str
    tests: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NextAsked:
    """Message: what is the slot of this dispatch to do after it? `held` are the dispatches that the node has.

    The answer is a dispatch `after` this one, or the call `no_next`.
    """

    key: str
    held: frozenset[str]


@dataclass(frozen=True, slots=True)
class CasesFound:
    """Message: the JUnit files that a command left hold these tests; `trouble` says why there are none.

    Sent before the result of the attempt that left them.

    Attributes:
        cases: results in their order; several of one id are attempts of one test.
        bad_files: a result for each file that could not be read, or not whole.
        sound: ids that files and suites as a whole would have, had there been anything to say of them.
        names: what a case is called, by its id, where that is not what follows the last `::`.
    """

    test_id: str
    variant: str
    cases: tuple[AttemptResult, ...]
    trouble: str | None = None
    bad_files: tuple[AttemptResult, ...] = ()
    sound: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """Message: the pytest session of an entry is over on the machine of this node."""

    entry: str
    result: SessionResult


#: Messages of a node, in the order in which things happened there.
NodeMessage = AttemptStart | AttemptResult | CasesFound | DispatchDone | NextAsked | SessionEnd | TestsRecalled


def pack_name(orders: Sequence[PytestOrder]) -> str:
    """The name of a task run of items of one file or of several."""
    return orders[0].test_id if len(orders) == 1 else name_pack([order.nodeid for order in orders])


#: Marks that say how pytest is to run an item, and not what it is.
_PYTESTS_OWN = frozenset({"parametrize", "usefixtures", "filterwarnings", "skip", "skipif", "xfail"})


def name_task_run(tests: str, node_id: str | None, cases: Sequence[TestCase]) -> str:
    """The name of a task run, by which Prefect's pages find it: its tests, then node, priority and labels.

    As in `checkout @ node1, critical, smoke`: a tag would cost a request to the server before each test.

    Args:
        tests: what its tests are called.
        node_id: None where no node took them.
        cases: its tests; told are the highest priority and the labels that all of them have.
    """
    priority = max(case.priority for case in cases).word
    first, *others = (case.labels for case in cases)
    shared = [
        label if value is True else f"{label}={value}"
        for label, value in first.items()
        if label not in _PYTESTS_OWN and all(other is first or other.get(label) == value for other in others)
    ]
    place = f" @ {_cut(', '.join([node_id or 'no node', priority, *shared]), MAX_NAME_CHARACTERS // 2)}"
    return f"{_cut(tests, MAX_NAME_CHARACTERS - len(place))}{place}"


def run_topic(run_id: str) -> str:
    """The Dask topic on which nodes send their messages to the driver of a run."""
    return f"pulseq-run-{run_id}"
