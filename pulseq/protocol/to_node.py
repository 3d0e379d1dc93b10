"""What the driver of a run, or of anybody's flow, asks of nodes, besides dispatches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from pulseq.models import Key
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.project_files import BlobPart, Manifest, PrepareOrder, Workspace
from pulseq.protocol.work import Dispatch
from pulseq.pytest_sessions import PytestSpec


class BodyVariables(Struct, frozen=True):
    """The environment of a run's bodies on a node, as far as its driver decides it.

    Attributes:
        variables: what they have besides the environment of the node, secrets among them.
        secrets: values that are to be blotted out wherever they appear.
        like_a_login: they have what a login of the host has, and not what the node was started with.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    like_a_login: bool = False

    def __repr__(self) -> str:
        return "BodyVariables(...)"  # no log is to have what is in it


NO_VARIABLES = BodyVariables()


class BeginRun(Struct, frozen=True, tag="begin_run"):
    """Get ready for a run: its dispatches and its collections may come.

    `workspace` is where its project is on this host; None where it is at the paths that its tests name. `bodies` is the
    environment that they are to have.
    """

    workspace: Workspace | None = None
    bodies: BodyVariables = NO_VARIABLES


class OfferProject(Struct, frozen=True, tag="offer_project"):
    """Which blobs of a project does this host lack? The answer is `Lacking`; those that it has it keeps for the run.

    `store_bytes` is how much the host may keep, where nobody there has said otherwise.
    """

    manifest: Manifest
    store_bytes: int


class PutBlobs(Struct, frozen=True, tag="put_blobs"):
    """Keep these bytes, of one blob after the other; the answer is `Done`.

    They are those of the message itself: to copy them takes as long as to write them.
    """

    parts: tuple[BlobPart, ...]
    data: memoryview
    compressed: bool = False


class MakeWorkspace(Struct, frozen=True, tag="make_workspace"):
    """Make a tree of the project that was offered, and what makes it ready; the answer is `Done`, with its place.

    `bodies` is the environment that bodies of the run have, and what makes the project ready.
    """

    prepare: PrepareOrder | None = None
    bodies: BodyVariables = NO_VARIABLES


class Collect(Struct, frozen=True, tag="collect"):
    """Collect a pytest session; the answer is a `Collection`."""

    spec: PytestSpec


class GiveBackTests(Struct, frozen=True, tag="give_back_tests"):
    """Give back those of these tests that a dispatch has not begun; the answer is a message, `TestsGivenBack`."""

    key: str
    tests: frozenset[Key]


class NoNext(Struct, frozen=True, tag="no_next"):
    """Nothing is sent to follow a dispatch: the answer to a `NextAsked`.

    `coming` is a dispatch for any slot of the node that it had not got when it asked: that may be what follows.
    `more` says that items of the session may come to that slot later: they wait, or other slots may give them back.
    """

    key: str
    coming: str | None = None
    more: bool = False


class FinishSessions(Struct, frozen=True, tag="finish_sessions"):
    """Tear down the pytest sessions of the run, which are idle; the answer is how many reports were sent until then."""


class FetchArtifact(Struct, frozen=True, tag="fetch_artifact"):
    """Give `length` bytes from `offset` on, or as many as there are, of a file that was told of.

    The answer is these bytes, or None where the node has no such file.
    """

    sha256: str
    offset: int
    length: int


class DropArtifacts(Struct, frozen=True, tag="drop_artifacts"):
    """Keep files no longer: they are at home, or will not come."""

    sha256s: frozenset[str]


class CancelRun(Struct, frozen=True, tag="cancel_run"):
    """End the bodies of the run."""


class LeaveRun(Struct, frozen=True, tag="leave_run"):
    """End what is left of the run, and forget it."""


class RunTask(Struct, frozen=True, tag="run_task"):
    """Run a task of anybody's flow; the answer is that of its process, as bytes.

    `setup` says how processes of its flow run are started, `request` is the task; both are only handed on.
    """

    setup: bytes
    request: bytes


DriverMessage: TypeAlias = (
    BeginRun
    | OfferProject
    | PutBlobs
    | MakeWorkspace
    | Collect
    | Dispatch
    | GiveBackTests
    | NoNext
    | FinishSessions
    | FetchArtifact
    | DropArtifacts
    | CancelRun
    | LeaveRun
    | RunTask
)


class Order(Struct, frozen=True):
    """A message to one node about one run."""

    run_id: str
    message: DriverMessage
    protocol: int = PROTOCOL
