"""One picture of a run in progress: a `RunProgress` at a moment, as lines for a terminal.

The room a picture takes is bounded by the terminal: nodes have a line each while
they fit, share lines when they do not, and are summed up where even that is too much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from pulseq.reports.progress import NodeProgress, RunningTest, RunProgress
from pulseq.reports.sections import fit
from pulseq.reports.text import safe_line
from pulseq.reports.wording import STYLES, say_capabilities, say_clock, say_test

_HEAD_LINES = 4
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


ASCII = Glyphs("#", "-", "#", ".", "|")


def draw_frame(
    progress: RunProgress, now: float, width: int, height: int, glyphs: Glyphs | None = None
) -> Sequence[Text]:
    """The picture as at most `height` lines, none wider than `width` columns.

    Args:
        progress: the run so far; only read.
        now: the clock that the progress was fed with.
        width: columns of the terminal.
        height: lines to be used at most.
        glyphs: marks; line-drawing ones by default.
    """
    marks = glyphs or Glyphs()
    lines = [_headline(progress, now, width, marks), _bar(progress, width, marks), _counts(progress, width), Text()]
    lines += _nodes(list(progress.nodes.values()), now, width, max(height - _HEAD_LINES, 1), marks)
    return lines[: max(height, 1)]


def _headline(progress: RunProgress, now: float, width: int, marks: Glyphs) -> Text:
    times = say_clock(progress.elapsed(now))
    left = None if progress.finished else progress.seconds_left(now)
    if left is not None and progress.done < progress.total:
        times += f" {marks.dot} about {say_clock(left)} left"
    suite = fit(safe_line(progress.suite), max(width - cell_len(times) - 4, 8))
    run = fit(safe_line(progress.run_id), max(width - cell_len(suite) - cell_len(times) - 4, 0))
    gap = max(width - cell_len(suite) - cell_len(run) - cell_len(times) - 2, 1)
    return _cut(Text.assemble((suite, STYLES["name"]), "  ", (run, STYLES["quiet"]), " " * gap, times), width)


def _bar(progress: RunProgress, width: int, marks: Glyphs) -> Text:
    """Verdicts by colour, then what runs, then what waits."""
    total = max(progress.total, 1)
    share = f" {100 * progress.done // total:3}%" if progress.total else "    "
    room = max(width - cell_len(share), 10)
    tally = progress.tally
    parts = [
        ("passed", tally.passed),
        ("skipped", tally.skipped),
        ("error", tally.errors),
        ("failed", tally.failed),
        ("running", progress.running),
    ]
    line, used = Text(), 0
    for (kind, _), columns in zip(parts, _columns([count for _, count in parts], total, room), strict=True):
        line.append(marks.bar * columns, STYLES[kind].removeprefix("bold "))
        used += columns
    line.append(marks.rest * (room - used), STYLES["waiting"])
    return line.append(share)


def _columns(counts: Sequence[int], total: int, room: int) -> list[int]:
    """How many of `room` columns each count gets; any that is not zero gets one where there is room."""
    ends, at = [], 0
    for count in counts:
        at += count
        ends.append(min(at * room // total, room))
    columns = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    for index, count in enumerate(counts):
        if count and not columns[index]:
            columns[index] = 1
            widest = max(range(len(columns)), key=columns.__getitem__)
            if sum(columns) > room:
                columns[widest] -= 1
    return columns


def _counts(progress: RunProgress, width: int) -> Text:
    parts = [(f"{progress.done}/{progress.total}", STYLES["name"])]
    parts += [(words, STYLES[kind]) for kind, words in progress.tally.words(short=True)]
    if progress.running:
        parts.append((f"{progress.running} running", STYLES["running"]))
    if progress.waiting:
        parts.append((f"{progress.waiting} waiting", STYLES["quiet"]))
    return _cut(Text("  ").join(Text(words, style) for words, style in parts), width)


def _nodes(nodes: list[NodeProgress], now: float, width: int, room: int, marks: Glyphs) -> list[Text]:
    if not nodes:
        return [Text("no node yet", STYLES["quiet"])]
    if len(nodes) <= room:
        names = min(max(cell_len(safe_line(node.node_id)) for node in nodes), _NAME_COLUMNS)
        slots = min(max(node.slots for node in nodes), _SLOT_COLUMNS)
        said = min(max(cell_len(say_capabilities(node.capabilities)) for node in nodes), max(width // 4, 12))
        return [_node(node, now, width, (names, slots, said), marks) for node in nodes]
    return _folded(nodes, now, width, room, marks)


def _node(node: NodeProgress, now: float, width: int, columns: tuple[int, int, int], marks: Glyphs) -> Text:
    names, slots, said = columns
    name = set_cell_size(fit(safe_line(node.node_id), names), names)
    line = Text.assemble((name, STYLES["quiet"] if node.lost else STYLES["name"]), "  ")
    line.append(set_cell_size(fit(say_capabilities(node.capabilities), said), said), STYLES["quiet"])
    line.append("  " if said else "")
    if node.lost is not None:
        return _cut(line.append(f"lost: {safe_line(node.lost)}", STYLES["error"]), width)
    line.append_text(_slots(node, slots, marks)).append("  ")
    return _cut(line.append_text(_what_runs(node, now, width - line.cell_len, marks)), width)


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


def _folded(nodes: list[NodeProgress], now: float, width: int, room: int, marks: Glyphs) -> list[Text]:
    """Several nodes to a line, then the tests that have run longest."""
    names = min(max(cell_len(safe_line(node.node_id)) for node in nodes), 12)
    slots = min(max(node.slots for node in nodes), 5)
    wide = names + slots + 3
    a_line = max((width + 2) // wide, 1)
    grid_room = max(room - _LONGEST_SHOWN - 1, 1)
    rows = [nodes[start : start + a_line] for start in range(0, len(nodes), a_line)]
    hidden: list[NodeProgress] = []
    if len(rows) > grid_room:
        shown = rows[: max(grid_room - 1, 0)]
        hidden = [node for row in rows[len(shown) :] for node in row]
        rows = shown
    lines = [_grid_row(row, names, slots, marks) for row in rows]
    if hidden:
        lines.append(_sum_up(hidden, width, bool(rows)))
    return [*lines, *_longest(nodes, now, width, max(room - len(lines) - 1, 0), marks)]


def _grid_row(nodes: list[NodeProgress], names: int, slots: int, marks: Glyphs) -> Text:
    line = Text()
    for node in nodes:
        name = set_cell_size(fit(safe_line(node.node_id), names), names)
        line.append(name, STYLES["quiet"] if node.lost is None else STYLES["error"]).append(" ")
        line.append_text(_slots(node, slots, marks) if node.lost is None else Text("lost"[:slots].ljust(slots)))
        line.append("  ")
    line.rstrip()
    return line


def _sum_up(nodes: list[NodeProgress], width: int, more: bool) -> Text:
    here = [node for node in nodes if node.lost is None]
    used, slots = sum(node.used for node in here), sum(node.slots for node in here)
    lost = f", {len(nodes) - len(here)} lost" if len(here) < len(nodes) else ""
    said = f"{len(nodes)} {'more ' if more else ''}nodes: {used} of {slots} slots busy{lost}"
    return _cut(Text(said, STYLES["quiet"]), width)


def _longest(nodes: list[NodeProgress], now: float, width: int, room: int, marks: Glyphs) -> Iterator[Text]:
    running = [(test, node) for node in nodes for test in node.running.values()]
    running.sort(key=lambda pair: pair[0].since)
    if not running or not room:
        return
    yield Text()
    for test, node in running[: min(room, _LONGEST_SHOWN)]:
        line = _running(test, now, max(width - _NAME_COLUMNS - 4, 10), marks, False)
        where = fit(safe_line(node.node_id), _NAME_COLUMNS)
        yield _cut(line.append(f"  {where}", STYLES["quiet"]), width)


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line
