"""Draws `rooms.svg`: the directories of `pulseq/`, and which imports which.

Run it after a change of imports (`python docs/explanation/rooms.py`); a test says when that is due. A room stands
above all that it imports; an arrow that others imply (a imports b, b imports c, so a may import c) is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_name("rooms.svg")
#: What the modules that stand in no directory are called together.
WORDS = "words"
RUNTIME = "execution.runtime"
SUBJECTS: Mapping[str, str] = {
    "cli": "one file for each verb",
    "flows": "deployable flows",
    "distributed": "the documented Python API",
    "run": "one run, from request to exit code",
    "standing": "what pulseq up keeps",
    "node": "what runs on a node's machine",
    "orchestration": "Prefect: server, flow runs, task runs",
    "cluster": "Dask: scheduler, members, nodes",
    "protocol": "what driver and node say",
    "processes": "processes of this machine",
    "execution": "a body, a pytest session",
    RUNTIME: "standard library alone, Python 3.9 on",
    "planning": "which test next, and where",
    "suites": "what people write",
    "projects": "what of a project travels",
    "results": "journal, DuckDB, questions",
    "reports": "a run as text and pictures",
    WORDS: "models, events, errors, records, capabilities, bounds",
}
Graph = dict[str, set[str]]
_WIDTH, _HEIGHT, _GAP, _FLOOR, _MARGIN = 188, 54, 22, 104, 24


def find_edges(root: Path = ROOT) -> Graph:
    """Each room with those that it imports."""
    graph: Graph = {}
    for top in ("pulseq", "flows"):
        for file in sorted((root / top).rglob("*.py")):
            here = _room_of(".".join(file.relative_to(root).with_suffix("").parts))
            if here:
                there = {_room_of(name) for name in _imports(ast.parse(file.read_text(encoding="utf-8")))}
                graph.setdefault(here, set()).update(there - {here, ""})
    return graph


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room_of(name: str) -> str:
    """The room of a module, or of a name in it; empty for what is none of ours."""
    parts = name.split(".")
    if parts[0] == "flows":
        return "flows"
    if parts[0] != "pulseq" or parts[1:2] in ([], ["__init__"], ["__main__"], ["__version__"]):
        return ""
    if parts[1:3] == ["execution", "runtime"]:
        return RUNTIME  # a room of its own: it knows nothing of the others, and all start it
    return parts[1] if (ROOT / "pulseq" / parts[1]).is_dir() else WORDS


def reduce(graph: Graph) -> Graph:
    """The graph without the edges that follow from others."""
    reach = {room: _reachable(graph, room) for room in graph}
    return {
        room: {one for one in below if not any(one in reach.get(other, set()) for other in below if other != one)}
        for room, below in graph.items()
    }


def _reachable(graph: Graph, room: str) -> set[str]:
    found: set[str] = set()
    waiting = [room]
    while waiting:
        for one in graph.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


def place(graph: Graph) -> list[list[str]]:
    """The rooms floor by floor, the highest first: each above all that it imports, and as low as that lets it be."""
    floors: list[list[str]] = []
    left = dict(graph)
    while left:
        lowest = sorted(room for room, below in left.items() if not below & left.keys())
        if not lowest:
            raise ValueError(f"these rooms import each other: {', '.join(sorted(left))}")
        floors.append(lowest)
        for room in lowest:
            del left[room]
    return floors[::-1]


def draw(graph: Graph) -> str:
    """The picture, as SVG."""
    floors = place(graph)
    width = 2 * _MARGIN + max(len(floor) for floor in floors) * (_WIDTH + _GAP) - _GAP
    height = 2 * _MARGIN + len(floors) * _FLOOR - (_FLOOR - _HEIGHT)
    corners = {
        room: ((width - len(floor) * (_WIDTH + _GAP) + _GAP) / 2 + number * (_WIDTH + _GAP), _MARGIN + level * _FLOOR)
        for level, floor in enumerate(floors)
        for number, room in enumerate(floor)
    }
    arrows = [_arrow(corners, room, one) for room, below in sorted(reduce(graph).items()) for one in sorted(below)]
    boxes = [_box(room, *corner) for room, corner in sorted(corners.items())]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        ' font-family="system-ui, sans-serif">',
        "<title>The rooms of PulseQ, and which imports which</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#64748b"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        *arrows,
        *boxes,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _arrow(corners: Mapping[str, tuple[float, float]], room: str, below: str) -> str:
    (left, top), (left_below, top_below) = corners[room], corners[below]
    start, end = left + _WIDTH / 2, left_below + _WIDTH / 2
    bend = (top + _HEIGHT + top_below) / 2
    path = f"M{start:g} {top + _HEIGHT:g} C{start:g} {bend:g} {end:g} {bend:g} {end:g} {top_below - 2:g}"
    return f'<path d="{path}" fill="none" stroke="#94a3b8" stroke-width="1.3" marker-end="url(#tip)"/>'


def _box(room: str, left: float, top: float) -> str:
    words = SUBJECTS.get(room, "").split()
    half = len(words) if len(" ".join(words)) <= 30 else (len(words) + 1) // 2
    lines = [" ".join(words[:half]), " ".join(words[half:])]
    middle = left + _WIDTH / 2
    text = "".join(
        f'<text x="{middle:g}" y="{top + 35 + 13 * number:g}" font-size="11" fill="#475569" text-anchor="middle">'
        f"{escape(line)}</text>"
        for number, line in enumerate(lines)
        if line
    )
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="#f1f5f9" stroke="#334155"/>'
        f'<text x="{middle:g}" y="{top + 19:g}" font-size="14" font-weight="600" fill="#0f172a" text-anchor="middle">'
        f"{escape(room)}</text>{text}"
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(find_edges()), encoding="utf-8")
