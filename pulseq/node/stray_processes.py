"""Processes that bodies of this node have left behind, and that nobody watches any more.

What a body starts is below the node, and is ended with it. Only where the node and all that watched its bodies were
killed at once does something stay: it carries the node's name, is below no node of that name, and the directory that
its body had is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pulseq.execution.runtime.metric import VARIABLE as METRICS_VARIABLE

_PROC = Path("/proc")
NODE_VARIABLE = "PULSEQ_NODE_ID"


def count_strays(node_id: str, *, own: int | None = None) -> int | None:
    """How many there are now; None where the system does not show processes as files.

    Args:
        own: the process whose descendants are watched; None is this one.
    """
    if not (_PROC / "self/environ").exists():
        return None
    parents = dict(_parents())
    own = os.getpid() if own is None else own
    return sum(_is_left_behind(pid, node_id) for pid in parents if not _is_below(pid, own, parents))


def _parents() -> Iterator[tuple[int, int]]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):  # it has ended meanwhile
                continue
            if state not in b"ZX":
                yield int(folder.name), int(parent)


def _is_below(pid: int, own: int, parents: dict[int, int]) -> bool:
    seen = set()
    while pid and pid not in seen:
        if pid == own:
            return True
        seen.add(pid)
        pid = parents.get(pid, 0)
    return False


def _is_left_behind(pid: int, node_id: str) -> bool:
    try:
        told = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:  # not ours to read, or it has ended
        return False
    if NODE_VARIABLE.encode() not in told:
        return False
    variables = dict(pair.split("=", 1) for pair in os.fsdecode(told).split("\0") if "=" in pair)
    metrics = variables.get(METRICS_VARIABLE)
    return variables.get(NODE_VARIABLE) == node_id and metrics is not None and not Path(metrics).parent.exists()
