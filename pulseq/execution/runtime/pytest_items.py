"""The items of a session, and the names that they are asked for by."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest

from .blotting import blot


def unique_names(nodeids: List[str]) -> List[str]:
    """The node ids without secrets, a repeated one with a number: with --keep-duplicates an item is there twice."""
    seen: Dict[str, int] = {}
    names = []
    for nodeid in map(blot, nodeids):
        seen[nodeid] = seen.get(nodeid, 0) + 1
        names.append(nodeid if seen[nodeid] == 1 else f"{nodeid}#{seen[nodeid]}")
    return names


def items_by_name(session: Any) -> Dict[str, Any]:
    """The items of a session under the names that they are asked for by; made once, before any fork."""
    found: Optional[Dict[str, Any]] = getattr(session, "_pulseq_items", None)
    if found is None:
        names = unique_names([item.nodeid for item in session.items])
        found = {name: session.items[number] for number, name in enumerate(names)}
        session._pulseq_items = found
    return found


class UnknownItem(pytest.Item):
    """Stands for an item that may come next: of the session, and of nothing in it, so that only the session stays up.

    With no next item pytest would tear down the session's fixtures, and make them once more for what comes after all:
    a second database, where a suite counts on one.
    """

    # What hooks look at in a next item that is a function.
    cls = module = instance = function = obj = None
    fixturenames = ()

    def runtest(self) -> None:
        raise NotImplementedError("it only stands for another item")


def unknown_item(session: Any) -> Any:
    """A next item of which nothing is known but its session."""
    return UnknownItem.from_parent(session, name="a later item")
