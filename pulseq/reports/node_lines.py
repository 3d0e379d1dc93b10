"""The nodes of a run as a few lines: a line each while they fit, else several to a line, else summed up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from pulseq.reports.progress import NodeProgress, RunningTest
from pulseq.reports.sections import fit
from pulseq.reports.wording import STYLES, say_capabilities, say_clock, say_test
from pulseq.safe_text import safe_line

_NAME_COLUMNS = 20
_SLOT_COLUMNS = 10
_LONGEST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The few marks of a picture, for terminals that have them and for those that have ASCII."""

    bar: str = "━"
    rest: str = "─"
    used: str = "●"
    free: str = "○"
    dot: str = "·"


#: For terminals whose encoding has no line-drawing marks.
ASCII = Glyphs("#", "-", "#", ".", "|")


def draw_nodes(nodes: Sequence[NodeProgress], now: float, width: int, room: int, marks: Glyphs) -> list[Text]:
    """The nodes in at most `room` lines (though never none) of `width` columns."""
    if not nodes:
        return [Text("no node yet", STYLES["quiet"])]
    if len(nodes) <= room:
        names = min(max(cell_len(safe_line(node.node_id)) for node in nodes), _NAME_COLUMNS)
        slots = min(max(node.slots for node in nodes), _SLOT_COLUMNS)
        offers = _offers(nodes)
        said = min(max(map(cell_len, offers)), max(width // 4, 12))
        columns = (names, slots, said)
        return [_node(node, offer, now, width, columns, marks) for node, offer in zip(nodes, offers, strict=True)]
    return _folded(nodes, now, width, room, marks)


def _offers(nodes: Sequence[NodeProgress]) -> list[str]:
    """What tells each node from the others; a node alone says all that it offers."""
    names = dict.fromkeys(name for node in nodes for name in node.capabilities)
    telling = [
        name for name in names if len(nodes) == 1 or len({str(node.capabilities.get(name)) for node in nodes}) > 1
    ]
    return [
        say_capabilities({name: node.capabilities[name] for name in telling if name in node.capabilities})
        for node in nodes
    ]


def _node(node: NodeProgress, offer: str, now: float, width: int, columns: tuple[int, int, int], marks: Glyphs) -> Text:
    names, slots, said = columns
    name = set_cell_size(fit(safe_line(node.node_id), names), names)
    line = Text.assemble((name, STYLES["quiet"] if node.lost else STYLES["name"]), "  ")
    line.append(set_cell_size(fit(offer, said), said), STYLES["quiet"])
    line.append("  " if said else "")
    if node.lost is not None:
        return cut(line.append(f"lost: {safe_line(node.lost)}", STYLES["error"]), width)
    line.append_text(_slots(node, slots, marks)).append("  ")
    return cut(line.append_text(_what_runs(node, now, width - line.cell_len, marks)), width)


def _slots(node: NodeProgress, columns: int, marks: Glyphs) -> Text:
    """A mark for each slot, in proportion where there are more than fit."""
    shown = min(node.slots, columns)
    used = node.used if node.slots <= columns else -(-node.used * shown // node.slots)
    return Text.assemble(
        (marks.used * used, STYLES["running"]),
        (marks.free * (shown - used), STYLES["waiting"]),
        " " * (columns - shown),
    )


def _what_runs(node: NodeProgress, now: float, room: int, marks: Glyphs) -> Text:
    """Running tests with their clocks, longest first, as many as fit, then how many more."""
    tests = list(node.running.values())
    if not tests:
        return Text(f"idle {marks.dot} {node.finished} done" if node.finished else "idle", STYLES["quiet"])
    line = Text()
    for index, test in enumerate(tests):
        more = len(tests) - index - 1
        spare = room - line.cell_len - (len(f" +{more}") if more else 0)
        entry = _running(test, now, max(min(spare, room) - (3 if line else 0), 1), marks, bool(line))
        if line and entry.cell_len > spare:
            return line.append(f" +{more + 1}", STYLES["quiet"])
        line.append_text(entry)
    return line


def _running(test: RunningTest, now: float, room: int, marks: Glyphs, follows: bool) -> Text:
    clock = f" {say_clock(now - test.since)}"
    again = f" try {test.attempt}" if test.attempt > 1 else ""
    name = say_test(test.test_id, test.variant)
    if not follows:
        name = fit(name, max(room - cell_len(clock) - len(again), 4))
    return Text.assemble(
        (f" {marks.dot} " if follows else "", STYLES["quiet"]),
        name,
        (again, STYLES["flaky"]),
        (clock, STYLES["quiet"]),
    )


def _folded(nodes: Sequence[NodeProgress], now: float, width: int, room: int, marks: Glyphs) -> list[Text]:
    """Several nodes to a line, then the tests that have run longest."""
    names = min(max(cell_len(safe_line(node.node_id)) for node in nodes), 12)
    slots = min(max(node.slots for node in nodes), 5)
    wide = names + slots + 3
    a_line = max((width + 2) // wide, 1)
    grid_room = max(room - _LONGEST_SHOWN - 1, 1)
    rows = [nodes[start : start + a_line] for start in range(0, len(nodes), a_line)]
    hidden: Sequence[NodeProgress] = []
    if len(rows) > grid_room:
        shown = rows[: max(grid_room - 1, 0)]
        hidden = [node for row in rows[len(shown) :] for node in row]
        rows = shown
    lines = [_grid_row(row, names, slots, marks) for row in rows]
    if hidden:
        lines.append(_sum_up(hidden, width, bool(rows)))
    return [*lines, *_longest(nodes, now, width, max(room - len(lines) - 1, 0), marks)]


def _grid_row(nodes: Sequence[NodeProgress], names: int, slots: int, marks: Glyphs) -> Text:
    line = Text()
    for node in nodes:
        name = set_cell_size(fit(safe_line(node.node_id), names), names)
        line.append(name, STYLES["quiet"] if node.lost is None else STYLES["error"]).append(" ")
        line.append_text(_slots(node, slots, marks) if node.lost is None else Text("lost"[:slots].ljust(slots)))
        line.append("  ")
    line.rstrip()
    return line


def _sum_up(nodes: Sequence[NodeProgress], width: int, more: bool) -> Text:
    here = [node for node in nodes if node.lost is None]
    used, slots = sum(node.used for node in here), sum(node.slots for node in here)
    lost = f", {len(nodes) - len(here)} lost" if len(here) < len(nodes) else ""
    said = f"{len(nodes)} {'more ' if more else ''}nodes: {used} of {slots} slots busy{lost}"
    return cut(Text(said, STYLES["quiet"]), width)


def _longest(nodes: Sequence[NodeProgress], now: float, width: int, room: int, marks: Glyphs) -> Iterator[Text]:
    running = [(test, node) for node in nodes for test in node.running.values()]
    running.sort(key=lambda pair: pair[0].since)
    if not running or not room:
        return
    yield Text()
    for test, node in running[: min(room, _LONGEST_SHOWN)]:
        line = _running(test, now, max(width - _NAME_COLUMNS - 4, 10), marks, False)
        where = fit(safe_line(node.node_id), _NAME_COLUMNS)
        yield cut(line.append(f"  {where}", STYLES["quiet"]), width)


def cut(line: Text, width: int) -> Text:
    """The line in `width` columns, with an ellipsis where it was longer."""
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line
