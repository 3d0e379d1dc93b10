"""What nodes tell the driver of a run, in the order in which things happened there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

from pulseq.artifacts import LeftFile
from pulseq.models import AttemptResult, Key
from pulseq.protocol.coding import PROTOCOL, ProtocolError, decode
from pulseq.pytest_sessions import SessionResult


class AttemptStart(Struct, frozen=True, tag="attempt_start"):
    """A body is being started."""

    test_id: str
    variant: str
    attempt: int
    task_run: str | None


class AttemptEnd(Struct, frozen=True, tag="attempt_end"):
    """An attempt has come to this, and has left these files, which the node keeps until they are fetched."""

    result: AttemptResult
    artifacts: tuple[LeftFile, ...] = ()


class CasesFound(Struct, frozen=True, tag="cases_found"):
    """The JUnit files that a command left hold these tests; `trouble` says why there are none.

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
    names: Mapping[str, str] = msgspec.field(default_factory=dict)


class DispatchDone(Struct, frozen=True, tag="dispatch_done"):
    """A dispatch has nothing more to say; `trouble` is set where the node itself failed."""

    key: str
    trouble: str | None = None


class MachineLacks(Struct, frozen=True, tag="machine_lacks"):
    """The machine of this node lacks something that any test needs, in words; None says that it does no more.

    Meanwhile the node gives back what it is sent.
    """

    what: str | None


class NextAsked(Struct, frozen=True, tag="next_asked"):
    """What is the slot of this dispatch to do after it? `held` are the dispatches that the node has.

    The answer is a dispatch `after` this one, or `NoNext`; that alone where the slot is `taken`, by another session or
    by something that is no pytest item.
    """

    key: str
    held: frozenset[str]
    taken: bool = False


class NodeFailed(Struct, frozen=True, tag="node_failed"):
    """Something has failed on the node that nobody waits for, and nothing that it is at is to be relied on."""

    why: str


class PrepareOutput(Struct, frozen=True, tag="prepare_output"):
    """What makes the run's project ready on the host of this node has written this line, and may have others before."""

    line: str


class SessionEnd(Struct, frozen=True, tag="session_end"):
    """The pytest session of an entry is over on the machine of this node."""

    entry: str
    result: SessionResult


#: Of two states so far apart one is later for Prefect, which knows microseconds; a Unix time in a float is rounded to
#: those from quarters of one, so that a single one is not enough.
TICK_SECONDS = 2e-6


class TaskRunState(Struct, frozen=True, tag="task_run_state"):
    """Prefect's engine has brought a task run into a state, which the driver tells the API.

    Attributes:
        id: of the task run; `state_id` is that of the state.
        name: of the task run.
        state_type, state: as Prefect has them: `FAILED`, `TimedOut`.
        before: type and name of the state before, if there was one.
        at: when it came into the state, in Unix seconds, as are all of its times.
        run_count: how many attempts have begun in it.
        started_at, ended_at: of the task run, as far as they are known.
        scheduled_at: when it is to be tried again, where it waits for that.
        run_seconds: how long it has been running in all.
        retries, retry_seconds: what its task may be tried again, and the pause before that.
    """

    id: UUID
    name: str
    state_id: UUID
    state_type: str
    state: str
    message: str
    at: float
    run_count: int
    before: tuple[str, str] | None = None
    started_at: float | None = None
    ended_at: float | None = None
    run_seconds: float = 0.0
    scheduled_at: float | None = None
    retries: int = 0
    retry_seconds: float = 0.0


class TestsGivenBack(Struct, frozen=True, tag="tests_given_back"):
    """Of the tests that were asked back of a dispatch, these had not begun and will not run in it."""

    __test__ = False

    key: str
    tests: tuple[Key, ...]


NodeMessage: TypeAlias = (
    AttemptStart
    | AttemptEnd
    | CasesFound
    | DispatchDone
    | MachineLacks
    | NextAsked
    | NodeFailed
    | PrepareOutput
    | SessionEnd
    | TaskRunState
    | TestsGivenBack
)


class Report(Struct, frozen=True):
    """Messages that travel together, and who says them: a node in one life of its process."""

    node_id: str
    incarnation: str
    messages: tuple[NodeMessage, ...]
    protocol: int = PROTOCOL


class Sender(Struct, frozen=True):
    """Who says a report."""

    node_id: str
    incarnation: str


def sender_of(data: bytes) -> Sender | None:
    """Who has sent a report, whatever else is in it; None where not even that can be read."""
    try:
        return decode(data, Sender)
    except ProtocolError:
        return None
