"""The one line in which a run says what it takes: which project, which history, which nodes. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pulseq.events import RunStarted
from pulseq.fleet import Fleet
from pulseq.reports.wording import say_count
from pulseq.safe_text import safe_line

#: Options of a run's first event: absolute paths of its projects, its database (None where none is kept), its nodes.
PROJECTS = "projects"
DATABASE = "database"
FLEET = "fleet"
#: So many hosts are told by name.
_MOST_HOSTS = 4


def say_fleet(fleet: Fleet, *, standing: bool, scheduler: str | None) -> str:
    """The nodes that a run takes, such as `2 local nodes with 5 slots`; one each goes without saying.

    Args:
        standing: whether they are those of `pulseq up`.
        scheduler: of those that others have started, when they are not: then it alone knows how many there are.
    """
    if scheduler is not None and not standing:
        return f"the nodes at {scheduler}"
    count, slots = len(fleet.nodes), sum(node.max_concurrent_tests for node in fleet.nodes)
    told_slots = slots != count and all(node.max_concurrent_tests for node in fleet.nodes)
    with_slots = f" with {say_count(slots, 'slot')}" if told_slots else ""
    whose = "`pulseq up`" if standing else fleet.source
    hosts = list(dict.fromkeys(node.host for node in fleet.nodes if not node.is_local))
    kind = "node" if whose or hosts else "local node"
    where = f" on {', '.join(hosts[:_MOST_HOSTS])}" if hosts else ""
    more = f" and {len(hosts) - _MOST_HOSTS} more hosts" if len(hosts) > _MOST_HOSTS else ""
    return f"{say_count(count, kind)}{f' of {whose}' if whose else ''}{with_slots}{where}{more}"


def say_start(started: RunStarted, cwd: Path) -> str:
    """What a run takes, in one line; empty where it tells nothing of that.

    Args:
        cwd: paths below it are told from there.
    """
    projects, database, fleet = (started.options.get(name) for name in (PROJECTS, DATABASE, FLEET))
    parts = []
    if isinstance(projects, Sequence) and not isinstance(projects, str) and projects:
        rest = len(projects) - 1
        told = _short(str(projects[0]), cwd) + (f" and {rest} more" if rest else "")
        parts.append(f"project{'s' if rest else ''} {told}")
    if isinstance(database, str) and database:
        parts.append(f"history in {_short(database, cwd)}")
    if isinstance(fleet, str):
        parts.append(f"on {fleet}")
    return safe_line(", ".join(parts), 1000)


def _short(path: str, cwd: Path) -> str:
    here = os.path.relpath(path, cwd) if path else ".."
    return path if here.startswith("..") else here
