"""The words of PulseQ as frozen data: tests, bodies, nodes, attempts.

Durations are seconds, sizes bytes (the metric `memory_usage` is MB), times
Unix seconds in UTC, unless a name says otherwise.

What is made by the thousand and travels or is written down is a `msgspec.Struct`, the rest are dataclasses.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, TypeAlias

import msgspec
from msgspec import Struct

from pulseq.artifacts import MOST_OF_A_RUN, USUAL_RULES, ArtifactRules
from pulseq.bounds import MOST_ID_CHARACTERS, bound_id, bound_whole
from pulseq.project import ProjectSpec

#: What a requirement or a capability may be written as; a list means "any of".
Scalar: TypeAlias = str | int | float | bool
CapabilityValue: TypeAlias = Scalar | tuple[Scalar, ...]
#: The identity of a test within a run: its id and its variant.
Key: TypeAlias = tuple[str, str]
#: Variables that are the business of nodes and drivers, and not a body's, begin so.
PRIVATE_PREFIXES = ("PREFECT_", "DASK_", "PULSEQ_")
#: Programs whose first argument is a file that they run, where it is no option.
_TAKES_SCRIPT = r"(python|pypy)[0-9.]*|(ba|da|k|z)?sh|perl|ruby"


class Status(StrEnum):
    """The outcome of an attempt and of a test; there is no other."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a test did not simply pass."""

    ASSERTION = "assertion"
    EXIT_CODE = "exit_code"
    EXCEPTION = "exception"
    SETUP = "setup"
    TIMEOUT = "timeout"
    CRASH = "crash"
    MEMORY = "memory"
    OUTPUT_LIMIT = "output_limit"
    NODE_LOST = "node_lost"
    UNSATISFIABLE = "unsatisfiable"
    CANCELLED = "cancelled"
    XFAIL = "xfail"
    SKIP = "skip"
    INTERNAL = "internal"


#: Attempts that ended so are no evidence against the test: it is not flaky for them.
INFRASTRUCTURE_REASONS = frozenset({Reason.NODE_LOST, Reason.CANCELLED})
#: Tests that ended so have no verdict of their own: the run ends with code 10, not 1.
NO_VERDICT_REASONS = frozenset({Reason.NODE_LOST, Reason.UNSATISFIABLE, Reason.INTERNAL})


class Priority(IntEnum):
    """Higher goes first, strictly."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """The name as suites have it; one object each, as every queued test holds one."""
        return sys.intern(self.name.lower())


class CommandBody(Struct, frozen=True, tag="command", tag_field="kind"):
    """A program; `argv` has one element, a shell line, when `shell` is true.

    `junit` is a glob, relative to the test's cwd, of JUnit files that the command
    leaves behind: then each case in them is a test.
    """

    argv: tuple[str, ...]
    shell: bool = False
    junit: str | None = None
    kind: ClassVar[str] = "command"

    @property
    def script(self) -> str | None:
        """What an interpreter is to run, its first argument; None for another program, and for an option."""
        if self.shell or len(self.argv) < 2 or self.argv[1].startswith("-"):
            return None
        return self.argv[1] if re.fullmatch(_TAKES_SCRIPT, os.path.basename(self.argv[0])) else None


class CallBody(Struct, frozen=True, tag="call", tag_field="kind"):
    """A Python callable, sync or async, named `module:attribute`.

    Its arguments are data that arrive in any interpreter as what they are: text, numbers, booleans, None, lists of
    such, and dicts with names.

    Raises:
        TypeError: an argument is something else.
    """

    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = msgspec.field(default_factory=dict)
    kind: ClassVar[str] = "call"

    def __post_init__(self) -> None:
        for value in (*self.args, *self.kwargs.values()):
            _check_data(value)


def _check_data(value: object) -> None:
    match value:
        case None | str() | int() | float():
            return
        case list():
            for item in value:
                _check_data(item)
        case dict() if all(isinstance(name, str) for name in value):
            for item in value.values():
                _check_data(item)
        case _:
            found = f"{type(value).__name__} {value!r:.80}"
            raise TypeError(f"found {found} in the arguments of a call, expected text, numbers, lists and dicts")


class PytestBody(Struct, frozen=True, tag="pytest", tag_field="kind"):
    """A pytest selection that expands to one test per item.

    `arguments` are pytest's own: paths, node ids or packages (with `pyargs`),
    then options, as they would stand on pytest's command line. What a person gave to ours is `direct`: its
    items have pytest's own ids, and what pytest refuses is a usage error.
    """

    targets: tuple[str, ...]
    args: tuple[str, ...] = ()
    pyargs: bool = False
    direct: bool = False
    kind: ClassVar[str] = "pytest"


class PytestItemBody(Struct, frozen=True, tag="item", tag_field="kind"):
    """One collected item of a `PytestBody`: `entry` is the id of the suite's entry, `scope` that of `CollectedItem`."""

    entry: str
    nodeid: str
    scope: str | None = None
    kind: ClassVar[str] = "pytest"


class HttpBody(Struct, frozen=True, tag="http", tag_field="kind"):
    """One HTTP request and what its answer must be."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: str | None = None
    expect_status: tuple[int, ...] = (200,)
    expect_text: str | None = None
    max_seconds: float | None = None
    kind: ClassVar[str] = "http"


class SimulateBody(Struct, frozen=True, tag="simulate", tag_field="kind"):
    """A stand-in for a body that is not there yet; its results are marked `simulated`."""

    duration: float = 0.0
    outcome: Status = Status.PASSED
    kind: ClassVar[str] = "simulate"


Body: TypeAlias = CommandBody | CallBody | PytestBody | PytestItemBody | HttpBody | SimulateBody


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test as it was written or collected: what to run, where it may run, for how long.

    Attributes:
        cwd: absolute directory in which the body runs.
        python: interpreter for `call` and `pytest` bodies; None means the node's.
        duration: expected seconds as declared; history knows better.
        metrics: names that every attempt must report; a missing one is a warning.
        memory_limit: bytes for the body's process tree.
        output_limit: bytes of output after which the body is ended.
        artifacts: what of the files that it leaves comes home.
        whole_id: the start of an id that was too long to be one, up to 64 kB of it; None for all others.

    An id or a name that is too long is cut in its middle, where a digest tells it from others.
    """

    __test__ = False

    id: str
    body: Body
    name: str = ""
    variant: str = ""
    requirements: Mapping[str, CapabilityValue] = field(default_factory=dict)
    priority: Priority = Priority.MEDIUM
    duration: float | None = None
    timeout_seconds: float | None = None
    max_retries: int = 0
    retry_delay_seconds: float = 0.0
    metrics: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "."
    python: str | None = None
    memory_limit: int | None = None
    output_limit: int | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    location: str | None = None
    whole_id: str | None = None
    artifacts: ArtifactRules = USUAL_RULES

    def __post_init__(self) -> None:
        short = bound_id(self.id)
        if short is not self.id:
            object.__setattr__(self, "whole_id", bound_whole(self.id))
            object.__setattr__(self, "id", short)
        if len(self.name) > MOST_ID_CHARACTERS:
            object.__setattr__(self, "name", bound_id(self.name))

    @property
    def key(self) -> Key:
        return (self.id, self.variant)


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that run together.

    Attributes:
        source: the file or directory they came from.
        projects: whose history is theirs: absolute paths of suite files, and of directories that pytest's node ids
            begin at; none where a program made the suite.
        part: whether pytest was told to look at a part of a project.
        project: what its code is, and needs on other hosts.
        artifacts_limit: most bytes of what its tests leave that come home.
    """

    name: str
    tests: tuple[TestCase, ...]
    source: str | None = None
    projects: tuple[str, ...] = ()
    part: bool = False
    project: ProjectSpec = field(default_factory=ProjectSpec)
    artifacts_limit: int = MOST_OF_A_RUN

    def __post_init__(self) -> None:
        if len(self.name) > MOST_ID_CHARACTERS:
            object.__setattr__(self, "name", bound_id(self.name))


class PytestWarning(Struct, frozen=True):
    """A warning that pytest recorded; `when` is config, collect or runtest, `location` is `path:line`."""

    category: str
    message: str
    location: str = ""
    when: str = "runtest"


class AttemptResult(Struct, frozen=True, omit_defaults=True):
    """What one start of one test on one node came to.

    Attributes:
        started_at: Unix seconds of the node's clock.
        duration: seconds, monotonic clock, from the start of the body to its end.
        queue_seconds: from the moment the test could have started until it did.
        error: why it is not passed, readable by a person; the last lines of a traceback.
        short: the same in the line that pytest's short test summary has for it; None where nobody said it so.
        output: head and tail of what the body wrote, 64 kB at most of each.
        output_bytes: how much it wrote in all.
        metrics: finite numbers only; has duration, response_time, memory_usage (MB), cpu_usage (%).
        leaked_processes: processes that the body left behind and that were killed.
        warnings: things about the attempt that a person should hear of.
        pytest_warnings: what pytest lists under "warnings summary".
        xpassed: the reason of a non-strict xfail that passed, which may be empty; None for all else.
        properties: (kind, name, value) with the kind `property` or `attribute`, as recorded for JUnit.
        subtests: how many passed, failed, skipped, xfailed.
        rerun: a plug-in of pytest makes another attempt in the same start; this one decides nothing.
    """

    test_id: str
    attempt: int
    node_id: str
    status: Status
    variant: str = ""
    reason: Reason | None = None
    started_at: float = 0.0
    duration: float = 0.0
    queue_seconds: float = 0.0
    error: str | None = None
    output: str = ""
    output_bytes: int = 0
    exit_code: int | None = None
    signal: int | None = None
    metrics: Mapping[str, float] = msgspec.field(default_factory=dict)
    simulated: bool = False
    leaked_processes: int = 0
    warnings: tuple[str, ...] = ()
    pytest_warnings: tuple[PytestWarning, ...] = ()
    xpassed: str | None = None
    properties: tuple[tuple[str, str, str], ...] = ()
    subtests: Mapping[str, int] = msgspec.field(default_factory=dict)
    rerun: bool = False
    short: str | None = None

    @property
    def key(self) -> Key:
        return (self.test_id, self.variant)


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """One attempt to be made on this node.

    Attributes:
        run_id: the run it belongs to.
        attempt: its number, from 1.
        timeout_seconds: after which the body's tree is ended; None means never.
        variables: what the body has besides the node's environment, before what the test says.
        secrets: the texts that are blotted out of all that the body says.
    """

    run_id: str
    test: TestCase
    attempt: int = 1
    timeout_seconds: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)


class Liveness(StrEnum):
    """Whether a node is heard of; only an active one gets tests."""

    ACTIVE = "active"
    SUSPECT = "suspect"
    INACTIVE = "inactive"
