"""What stands between runs: how it is written down, found again, and judged fit for a run.

`pulseq up` leaves a keeper behind (`standing_process.py`) that owns server, scheduler and nodes. It writes
`standing.json` into the state directory at every change; whoever reads that file holds it against
the process that it names. Nothing heavy is imported here: each run asks.

The file may have come from anywhere, with a repository for one. A keeper that lives is believed to be one if it
has the lock of this very directory open, and a directory in which others may have put things is not looked at.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pulseq import __version__
from pulseq.fleet import Fleet, FrameworkConfig, NodeSpec, SshSpec, Strategy
from pulseq.models import CapabilityValue
from pulseq.ownership import open_own, refuse_foreign_in, write_own
from pulseq.processes.process_id import ProcessId
from pulseq.security.credentials import Credentials, read_credentials

FILE_NAME = "standing.json"
LOCK_NAME = "standing.lock"
#: What is said of nodes, for the next scheduler: it outlives what stands.
MARKS_NAME = "marks.json"
#: How long a run waits for a cluster that is starting, or getting up after a fall.
READY_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Condition(StrEnum):
    """How a part of the cluster, or all of it, does."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    GIVEN_UP = "given up"
    ENDING = "ending"


_UNSETTLED = frozenset({Condition.STARTING, Condition.RESTARTING})


@dataclass(frozen=True, slots=True)
class PartState:
    """A process of the cluster: `server`, `scheduler`, or a node by its id.

    Attributes:
        since: Unix seconds of the last change of `condition`.
        deaths: how often it has ended unasked.
        why: how it ended the last time.
    """

    name: str
    condition: Condition
    process: ProcessId | None = None
    since: float = 0.0
    deaths: int = 0
    why: str | None = None


@dataclass(frozen=True, slots=True)
class StandingCluster:
    """What stands, as `standing.json` tells it.

    Attributes:
        keeper: the process that owns all others.
        api_url: of the Prefect API that its nodes speak to.
        ui_url: of the server's pages; None where the API is not ours.
        scheduler: Dask's address for this machine, empty as long as it is not known.
        listen: where other machines reach it, ADDRESS:PORT; empty for nowhere.
        since: Unix seconds at which `pulseq up` was called.
        helpers: processes beside the parts, which nobody asks for by name.
        version, python: of PulseQ and of the interpreter that nodes run under.
    """

    keeper: ProcessId
    condition: Condition
    api_url: str
    ui_url: str | None
    scheduler: str
    fleet: Fleet
    since: float
    parts: tuple[PartState, ...] = ()
    helpers: tuple[ProcessId, ...] = ()
    version: str = __version__
    python: str = field(default_factory=platform.python_version)
    listen: str = ""

    @property
    def processes(self) -> list[ProcessId]:
        """The keeper and all that it has started and knows to live."""
        return [self.keeper, *(part.process for part in self.parts if part.process is not None), *self.helpers]

    @property
    def away(self) -> tuple[str, ...]:
        """Ids of the nodes that it has to start and that are not there now, which keeps no run from the others."""
        nodes = {spec.id for spec in self.fleet.nodes}
        return tuple(part.name for part in self.parts if part.name in nodes and part.condition is not Condition.RUNNING)


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether a run is to use what stands; `note` is what its user should hear of it."""

    cluster: StandingCluster | None
    note: str | None = None


def standing_directory(home: Path) -> Path:
    """Where the logs of what stands are; gone when it is."""
    return home / "standing"


def users_path(home: Path) -> Path:
    """The file whose lock runs share as long as they use what stands."""
    return standing_directory(home) / "users"


def credentials_path(home: Path) -> Path:
    """Where the credentials of what stands are, for members of this user."""
    return standing_directory(home) / "credentials.pem"


def find_credentials(home: Path) -> Credentials | None:
    """The credentials of what stands in the state directory; None where nothing does.

    Raises:
        UsageError: they cannot be read.
    """
    return read_credentials(credentials_path(home))


def find_cluster(home: Path) -> StandingCluster | None:
    """What the state directory says that stands; its keeper may have died (`keeper.alive`).

    Raises:
        UsageError: the directory, or something in it that would be believed, is somebody else's.
    """
    for directory in (home, standing_directory(home)):
        refuse_foreign_in(directory)
    try:
        cluster = decode(json.loads((home / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return cluster if _is_keeper(cluster.keeper, home) or not cluster.keeper.alive else None


def _is_keeper(process: ProcessId, home: Path) -> bool:
    # Nobody could have written down this very process beforehand.
    return process.pid == os.getpid() or process.has_open(home / LOCK_NAME)


def choose_cluster(home: Path, configured_api: str | None) -> Choice:
    """Whether a run of this state directory can use what stands there.

    Args:
        configured_api: the Prefect API that the environment or a profile names for the run.
    """
    cluster = find_cluster(home)
    if cluster is None:
        return Choice(None)
    return judge(wait_until_settled(home, cluster, READY_PATIENCE_SECONDS), configured_api)


def wait_until_settled(home: Path, cluster: StandingCluster, patience_seconds: float) -> StandingCluster:
    """The cluster as it is when it neither starts nor restarts any more, or when patience ends."""
    end = time.monotonic() + patience_seconds
    while cluster.condition in _UNSETTLED and cluster.keeper.alive and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        cluster = find_cluster(home) or cluster
    return cluster


def judge(cluster: StandingCluster, configured_api: str | None) -> Choice:
    """Whether a cluster as it is now is fit for a run of this process."""
    own = "this run starts a server and nodes of its own"
    if not cluster.keeper.alive:
        return Choice(None, f"what `pulseq up` had started has died: {own}; `pulseq up` starts it anew")
    if cluster.condition is not Condition.RUNNING:
        return Choice(None, f"what `pulseq up` has started is not ready ({cluster.condition}): {own}")
    # The check at joining of machines that come by themselves belongs beside this one.
    theirs, ours = (cluster.version, cluster.python), (__version__, platform.python_version())
    if theirs != ours:
        return Choice(
            None,
            f"what `pulseq up` has started is PulseQ {theirs[0]} under Python {theirs[1]}, this is {ours[0]} "
            f"under {ours[1]}: {own}; `pulseq down` and `pulseq up` bring them together",
        )
    if configured_api is not None and configured_api != cluster.api_url:
        return Choice(
            None,
            f"the nodes of `pulseq up` speak to the Prefect API at {cluster.api_url!r}, "
            f"this run to {configured_api!r}: it starts nodes of its own",
        )
    return Choice(cluster)


def say_loss(home: Path) -> str | None:
    """Why the scheduler of a run that used what stood here is gone; None where that still stands."""
    cluster = find_cluster(home)
    if cluster is None or cluster.condition is Condition.ENDING:
        return "`pulseq down` has ended the nodes that this run was using"
    if not cluster.keeper.alive:
        return "what `pulseq up` had started has died, and the nodes of this run with it"
    return None


@contextlib.contextmanager
def use_cluster(home: Path) -> Iterator[None]:
    """Be known as a user of what stands: it keeps its Prefect server a moment longer for that."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            users = stack.enter_context(open(open_own(users_path(home)), "ab"))
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def own_home(home: Path) -> Iterator[bool]:
    """Hold the state directory for the one keeper that it may have; False where another holds it."""
    path = home / LOCK_NAME
    while True:
        descriptor = open_own(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield False
            return
        with contextlib.suppress(FileNotFoundError):
            # A holder that leaves takes the file away, perhaps after we had opened it.
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                break
        os.close(descriptor)
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def write_cluster(home: Path, cluster: StandingCluster) -> None:
    """Put the file in its place at once: whoever reads it sees the old one or the new one."""
    write_own(home / FILE_NAME, json.dumps(asdict(cluster), indent=1))


def forget_cluster(home: Path) -> None:
    """Take the file away; only who owns the state directory may (`own_home`)."""
    for path in (home / FILE_NAME, *home.glob(f".{FILE_NAME}.*")):
        path.unlink(missing_ok=True)


def decode(told: Mapping[str, Any]) -> StandingCluster:
    """The cluster that a file tells of.

    Raises:
        KeyError, TypeError, ValueError: it tells of none.
    """
    return StandingCluster(
        **{
            **told,
            "keeper": ProcessId(**told["keeper"]),
            "condition": Condition(told["condition"]),
            "fleet": decode_fleet(told["fleet"]),
            "parts": tuple(_decode_part(part) for part in told["parts"]),
            "helpers": tuple(ProcessId(**helper) for helper in told.get("helpers", ())),
        }
    )


def decode_fleet(told: Mapping[str, Any]) -> Fleet:
    """The fleet that `dataclasses.asdict` made plain data of, by way of JSON."""
    framework = {**told["framework"], "strategy": Strategy(told["framework"]["strategy"])}
    nodes = tuple(_decode_node(node) for node in told["nodes"])
    return Fleet(nodes, FrameworkConfig(**framework), told["source"])


def _decode_node(told: Mapping[str, Any]) -> NodeSpec:
    options = tuple((name, value) for name, value in told["ssh"]["options"])
    ssh = SshSpec(**{**told["ssh"], "options": options})
    return NodeSpec(**{**told, "capabilities": _decode_labels(told["capabilities"]), "ssh": ssh})


def same_fleet(one: Fleet, other: Fleet) -> bool:
    """Whether two fleets have the same nodes, used in the same way, wherever that was written."""
    return (one.nodes, one.framework) == (other.nodes, other.framework)


def _decode_labels(told: Mapping[str, Any]) -> dict[str, CapabilityValue]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def _decode_part(told: Mapping[str, Any]) -> PartState:
    process = None if told["process"] is None else ProcessId(**told["process"])
    return PartState(**{**told, "condition": Condition(told["condition"]), "process": process})
