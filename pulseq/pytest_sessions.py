"""A pytest session as driver and node speak of it: what is asked for, what it collected, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from pulseq.artifacts import USUAL_RULES, ArtifactRules
from pulseq.models import Key, PytestWarning, Reason, Status


@dataclass(frozen=True, slots=True)
class PytestSpec:
    """A pytest session to be collected once on a node and interpreter, then forked per slot.

    Two specs that are equal share one collection; `keyword` and `markers` are
    pytest's -k and -m, added to `args`.
    """

    run_id: str
    entry: str
    targets: tuple[str, ...]
    args: tuple[str, ...]
    pyargs: bool
    cwd: str
    python: str | None
    env: tuple[tuple[str, str], ...] = ()
    keyword: str | None = None
    markers: str | None = None
    isolation: str = "auto"
    artifacts: ArtifactRules = USUAL_RULES
    memory_limit: int | None = None
    output_limit: int | None = None


class PytestOrder(Struct, frozen=True):
    """One item of a collected session to be run: its own id here, pytest's node id there."""

    test_id: str
    variant: str
    nodeid: str
    attempt: int = 1
    timeout_seconds: float | None = None
    metrics: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return (self.test_id, self.variant)


class Following(NamedTuple):
    """What a slot goes on with after a batch of items.

    Attributes:
        order: the item that begins next; None where none is known.
        more: whether items of the session may come to this slot later, though none is known.
    """

    order: PytestOrder | None = None
    more: bool = False


def name_pack(nodeids: Sequence[str]) -> str:
    """What a pack of these pytest items is called: after its first file."""
    first, *others = dict.fromkeys(nodeid.split("::", 1)[0] for nodeid in nodeids)
    more = f" and {len(others)} more {'file' if len(others) == 1 else 'files'}" if others else ""
    return f"{first}{more} ({len(nodeids)} tests)"


class CollectedItem(Struct, frozen=True):
    """A pytest item as its node collected it; `location` is `file:line`, `marks` its markers' names.

    The items of one `scope` have to run on one slot, one after the other (pytest-xdist's `--dist loadscope`,
    `loadfile` and `loadgroup`); None is free.
    """

    nodeid: str
    location: str
    marks: tuple[str, ...] = ()
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class CollectedVerdict:
    """A file or a class that has a verdict from collection alone: skipped, or an error in it."""

    nodeid: str
    status: Status
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class Collection:
    """What a pytest session collected, in its order.

    `usage_error` is pytest's own message where it refused to start (unknown option, no such file). `isolation` is how
    slots start (`fork` or `interpreter`), `isolation_reason` why, where PulseQ has chosen so. `machine_wants` is what
    the machine lacks without which nothing can be collected there, whatever the suite. `ordered` is whether a hook of
    the suite's or of a plug-in has moved items past those of other files, which then rely on their order. `threads` are
    those that import has left running, where forks were asked for all the same: a fork has none of them. `loops` are
    the plug-ins that would run the items by a loop of their own, which nobody calls in a worker.
    """

    items: tuple[CollectedItem, ...]
    verdicts: tuple[CollectedVerdict, ...] = ()
    deselected: int = 0
    seconds: float = 0.0
    usage_error: str | None = None
    warnings: tuple[PytestWarning, ...] = ()
    isolation: str = "fork"
    isolation_reason: str | None = None
    machine_wants: str | None = None
    ordered: bool = False
    threads: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()


class SessionResult(Struct, frozen=True):
    """How an entry's session ended on a machine: the further fields of the event `SessionFinished`, in its order."""

    exit_status: int
    error: str | None = None
    summary: str = ""
    warnings: tuple[PytestWarning, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    categories: tuple[tuple[str, int], ...] = ()
