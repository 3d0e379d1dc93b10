"""`pulseq node drain`, `cordon` and `undrain`: whether nodes are to have tests."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pulseq.errors import ExitCode, UsageError
from pulseq.marks import MarkState, user_here
from pulseq.ownership import default_home
from pulseq.reports.wording import say_count
from pulseq.safe_text import safe_line


def drain(
    *ids: str, why: str = "", wait: float | None = None, scheduler: str | None = None, credentials: Path | None = None
) -> int:
    """Give nodes nothing more; what they have begun goes on, what they have not goes elsewhere.

    It holds for all runs, those that begin later too, and for a node of that id that comes later, until `undrain`.

    Args:
        ids: Ids of nodes.
        why: The reason, for all who wonder; without it a node that is draining already keeps the one that it has.
        wait: Seconds to wait until they have nothing left; the exit code is 1 where they still have something then.
        scheduler: Address of the Dask scheduler; by default what `pulseq up` keeps.
        credentials: The file of credentials that it asks for; by default the one that PULSEQ_CREDENTIALS names.
    """
    return asyncio.run(_mark(ids, MarkState.DRAINING, why, (scheduler, credentials), wait))


def cordon(*ids: str, why: str = "", scheduler: str | None = None, credentials: Path | None = None) -> int:
    """Give nodes nothing new; what they have been sent already, also what has not begun, stays there.

    It holds for all runs, those that begin later too, and for a node of that id that comes later, until `undrain`.

    Args:
        ids: Ids of nodes.
        why: The reason, for all who wonder.
        scheduler: Address of the Dask scheduler; by default what `pulseq up` keeps.
        credentials: The file of credentials that it asks for; by default the one that PULSEQ_CREDENTIALS names.
    """
    return asyncio.run(_mark(ids, MarkState.CORDONED, why, (scheduler, credentials), None))


def undrain(*ids: str, why: str = "", scheduler: str | None = None, credentials: Path | None = None) -> int:
    """Let nodes that were drained or cordoned have tests again.

    Args:
        ids: Ids of nodes.
        why: The reason, for all who wonder.
        scheduler: Address of the Dask scheduler; by default what `pulseq up` keeps.
        credentials: The file of credentials that it asks for; by default the one that PULSEQ_CREDENTIALS names.
    """
    return asyncio.run(_mark(ids, MarkState.OPEN, why, (scheduler, credentials), None))


async def _mark(
    ids: tuple[str, ...], state: MarkState, why: str, place: tuple[str | None, Path | None], wait: float | None
) -> int:
    from pulseq.standing.fleet import open_fleet  # brings Dask, which `--help` need not wait for

    if not ids:
        raise UsageError("found no node, expected ids of nodes: `pulseq node list` tells them")
    if wait is not None and not 0 <= wait < float("inf"):
        raise UsageError(f"--wait: found {wait:g}, expected seconds, 0 or more")
    async with open_fleet(default_home(), *place) as fleet:
        marking = await fleet.mark(ids, state, why=why, who=user_here())
        for mark in marking.marks:
            was = marking.before.get(mark.node_id)
            changed = f"was {was.say()}" if was is not None else "was open"
            _tell(f"{mark.node_id} {mark.state}; it {changed}")
        if marking.trouble is not None:
            _tell(f"note: the marks do not outlive the scheduler: {marking.trouble}")
        busy = {node.id: node for node in await fleet.wait_until_drained(ids, wait)} if wait is not None else {}
    for node_id in dict.fromkeys(ids) if wait is not None else ():
        if (node := busy.get(node_id)) is None:
            _tell(f"{node_id} is drained")
        else:
            _tell(f"{node_id} still has {say_count(sum(node.runs.values()), 'dispatch')} of {', '.join(node.runs)}")
    return ExitCode.TESTS_FAILED if busy else ExitCode.OK


def _tell(text: str) -> None:
    print(safe_line(text, 1000), file=sys.stderr)
