"""What happens in a run, as frozen data: one stream, read by the journal and by the live view.

The order of events of one test is planned → (attempt started → attempt finished)* → closed.
A later `AttemptFinished` of the same attempt replaces the earlier one: a fixture of wider
scope whose teardown fails turns a passed pytest item into an error after the fact.

What attempts left behind comes home later, at the latest before the run finishes.

An entry of pytest items is planned → collected → expanded, and has a session that finishes on each machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from pulseq.artifacts import Artifact
from pulseq.marks import NodeMark
from pulseq.models import AttemptResult, CapabilityValue, Key, Liveness, PytestWarning, Reason, Status


class RunStarted(Struct, frozen=True, omit_defaults=True):
    """The first event of a run. `options` is what a resume needs to repeat it."""

    run_id: str
    suite: str
    started_at: float
    version: str
    options: Mapping[str, object] = field(default_factory=dict)


class PrefectRunKnown(Struct, frozen=True, omit_defaults=True):
    """The flow run that this run is; `url` is None where no UI serves it."""

    flow_run_id: str
    url: str | None


class NodeJoined(Struct, frozen=True, omit_defaults=True):
    """A node is there with `slots` slots; `capabilities` are the complete ones.

    Attributes:
        host: its host, as people call it.
        incarnation: which start of its process it is.
        labels: what else it says of itself: versions of PulseQ, Python and its protocol, the way in which it came, …
    """

    node_id: str
    host: str
    slots: int
    capabilities: Mapping[str, CapabilityValue] = field(default_factory=dict)
    incarnation: str | None = None
    labels: Mapping[str, object] = field(default_factory=dict)


class NodeLost(Struct, frozen=True, omit_defaults=True):
    """A node is gone, and not because it was told to go."""

    node_id: str
    why: str


class NodeMarked(Struct, frozen=True, omit_defaults=True):
    """A node that is there is to have nothing more, or whatever fits it again."""

    mark: NodeMark


class NodeHealth(Struct, frozen=True, omit_defaults=True):
    """What one look at a node found; what it did not tell is None.

    Attributes:
        why: why it is not active; of one that is, what its machine lacks so that it gets no tests.
        address: where it listens; another one than before is another process.
        latency: seconds that a question to the node and its answer took; None where none came in time.
        heartbeat_age: seconds since the scheduler last heard of it.
        load: its machine's load average over a minute.
        memory_available, memory_total, disk_free, disk_total: bytes, of its machine and of its disk for bodies.
        running: dispatches that it is at.
        incarnation: which start of its process it is.
        host: its host, as people call it.
        clock_offset: seconds that its clock is ahead of that of whoever looked; the true value is not further from it
            than clock_uncertainty.
        latency_p50: median of the last latencies.
        link_breaks: how often it was silent for too long, or gone, in the looks so far.
        leaked_processes: of its bodies, left behind and killed, in this life of its process.
        stray_processes: that its bodies have left behind and nobody has killed.
        store_free, store_total: bytes of the disk that it keeps projects on.
        version, python, protocol: of PulseQ, of its interpreter, of what it says to drivers.
    """

    node_id: str
    liveness: Liveness
    why: str | None = None
    scheduler: str = ""
    address: str | None = None
    latency: float | None = None
    heartbeat_age: float | None = None
    load: float | None = None
    memory_available: int | None = None
    memory_total: int | None = None
    disk_free: int | None = None
    disk_total: int | None = None
    slots: int | None = None
    running: int | None = None
    incarnation: str | None = None
    host: str | None = None
    clock_offset: float | None = None
    clock_uncertainty: float | None = None
    latency_p50: float | None = None
    link_breaks: int | None = None
    leaked_processes: int | None = None
    stray_processes: int | None = None
    store_free: int | None = None
    store_total: int | None = None
    version: str | None = None
    python: str | None = None
    protocol: int | None = None


class TestPlanned(Struct, frozen=True, omit_defaults=True):
    """A test was accepted: from here on it ends in exactly one `TestClosed`.

    Attributes:
        body: command, call, pytest, http or simulate.
        priority: low, medium, high or critical.
        location: `file:line` where known.
        expected_seconds: None where nothing is known.
        whole_id: the start of an id that was too long to be one; None for all others.
    """

    __test__ = False

    test_id: str
    variant: str
    name: str
    body: str
    priority: str
    location: str | None = None
    expected_seconds: float | None = None
    requirements: Mapping[str, CapabilityValue] = field(default_factory=dict)
    whole_id: str | None = None


class TestExpanded(Struct, frozen=True, omit_defaults=True):
    """An entry became `count` tests of its own and has no row itself (pytest, JUnit files)."""

    __test__ = False

    test_id: str
    variant: str
    count: int


class EntryCollected(Struct, frozen=True, omit_defaults=True):
    """A pytest entry was collected: so many `items`, without the `deselected`. A later one replaces it."""

    entry: str
    node_id: str
    items: int
    deselected: int = 0
    warnings: tuple[PytestWarning, ...] = ()


class SessionFinished(Struct, frozen=True, omit_defaults=True):
    """The pytest session of an entry has ended on a machine; a later one of the same node replaces it.

    Attributes:
        exit_status: pytest's own.
        error: what went wrong at its end, readable by a person.
        summary: what plug-ins printed at its end, such as a table of coverage.
        warnings: those that neither a collection nor an attempt has told.
        properties: (name, value), recorded for the whole suite.
    """

    entry: str
    node_id: str
    exit_status: int
    error: str | None = None
    summary: str = ""
    warnings: tuple[PytestWarning, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()


class AttemptStarted(Struct, frozen=True, omit_defaults=True):
    """A body was started on a node.

    `task_run` is Prefect's id of the task run that carries it; None where the node was lost before it had told of the
    start, which may not have been then.
    """

    test_id: str
    variant: str
    attempt: int
    node_id: str
    task_run: str | None = None


class AttemptFinished(Struct, frozen=True, omit_defaults=True):
    """An attempt has a result."""

    result: AttemptResult


class TestClosed(Struct, frozen=True, omit_defaults=True):
    """The verdict of a test in this run.

    A later one for the same test replaces it only where a late teardown error does so.
    """

    __test__ = False

    test_id: str
    variant: str
    status: Status
    reason: Reason | None
    flaky: bool
    attempts: int
    node_id: str | None = None
    error: str | None = None


class ArtifactsKept(Struct, frozen=True, omit_defaults=True):
    """What an attempt left has come home, as far as it has; it may come after the verdict of its test.

    Attributes:
        test_id: an entry that became tests of its own (JUnit files) has none itself.
        files: why some of them have not come is a warning of the attempt.
    """

    test_id: str
    variant: str
    attempt: int
    node_id: str
    files: tuple[Artifact, ...] = ()

    @property
    def key(self) -> Key:
        return (self.test_id, self.variant)


class RunNote(Struct, frozen=True, omit_defaults=True):
    """One line that whoever watches the run should read (a warning, a change of plan)."""

    text: str


class RunFinished(Struct, frozen=True, omit_defaults=True):
    """The last event. `reason` is the word for the exit code: passed, failed, interrupted, …"""

    finished_at: float
    wall_seconds: float
    exit_code: int
    reason: str


Event: TypeAlias = (
    RunStarted
    | PrefectRunKnown
    | NodeJoined
    | NodeLost
    | NodeMarked
    | NodeHealth
    | TestPlanned
    | TestExpanded
    | EntryCollected
    | SessionFinished
    | AttemptStarted
    | AttemptFinished
    | TestClosed
    | ArtifactsKept
    | RunNote
    | RunFinished
)
