"""Marks of nodes from a flow run: made there, or seen there, kept as rows and told to Prefect once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulseq.errors import PulseqError, UsageError
from pulseq.events import NodeMarked
from pulseq.marks import MarkState, NodeMark
from pulseq.orchestration.node_report import marked, not_marked, tell_marks
from pulseq.ownership import default_home
from pulseq.results.health_journal import record_health
from pulseq.run.state_directory import prepare_home
from pulseq.standing.fleet import open_fleet

#: A mark older than this was told of when it was new, or nobody looked then: a look now is no news.
_NEWS_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class MarkRequest:
    """Which nodes are to be marked.

    Attributes:
        who: asks for it.
        home: the state directory; None is `$PULSEQ_HOME` or `.pulseq`.
        scheduler: address of a Dask scheduler; None is the one of `pulseq up`.
    """

    nodes: Sequence[str]
    state: MarkState
    why: str
    who: str
    home: Path | None = None
    scheduler: str | None = None


async def mark_nodes(request: MarkRequest) -> Any:
    """Mark nodes within the current flow run; the Prefect state that it shall end in."""
    try:
        home = (request.home or default_home()).absolute()
        if not request.nodes:
            raise UsageError("found no node, expected ids of nodes: `pulseq node list` tells them")
        async with open_fleet(home, request.scheduler) as fleet:
            marking = await fleet.mark(request.nodes, request.state, why=request.why, who=request.who)
        await asyncio.to_thread(keep_marks, home, marking.marks)
    except PulseqError as error:
        return not_marked(str(error))
    await tell_marks(marking.marks)
    return marked(marking.marks, marking.trouble)


def keep_marks(home: Path, marks: Iterable[NodeMark]) -> None:
    """Put marks on the disk, from where the next look takes them into the database.

    Raises as `record_health` does.
    """
    prepare_home(home)
    record_health(home, map(NodeMarked, marks))


def news_of_marks(
    now: Mapping[str, NodeMark], before: Mapping[str, NodeMark], at: float | None = None
) -> list[NodeMark]:
    """The marks that a look sees and the ones before have not seen.

    Of what a scheduler no longer knows, since it was begun anew, nobody can say who has opened it.
    """
    new = [mark for node_id, mark in now.items() if before.get(node_id, mark if mark.is_open else None) != mark]
    forgotten = [node_id for node_id, mark in before.items() if not mark.is_open and node_id not in now]
    return new + [NodeMark(node_id, MarkState.OPEN, at=time.time() if at is None else at) for node_id in forgotten]


def is_recent(mark: NodeMark, at: float) -> bool:
    """Whether a mark is worth an event, and not only a row."""
    return at - mark.at < _NEWS_SECONDS
