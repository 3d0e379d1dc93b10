"""One picture of a run in progress: a `RunProgress` at a moment, as lines for a terminal.

The room a picture takes is bounded by the terminal: nodes have a line each while
they fit, share lines when they do not, and are summed up where even that is too much.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from pulseq.reports.node_lines import Glyphs, cut, draw_nodes
from pulseq.reports.progress import RunProgress
from pulseq.reports.sections import fit
from pulseq.reports.wording import STYLES, say_clock, say_count
from pulseq.safe_text import safe_line

_HEAD_LINES = 4


def draw_frame(
    progress: RunProgress, now: float, width: int, height: int, glyphs: Glyphs | None = None, *, still: bool = False
) -> Sequence[Text]:
    """The picture as at most `height` lines, none wider than `width` columns.

    Args:
        progress: the run so far; only read.
        now: the clock that the progress was fed with.
        width: columns of the terminal.
        height: lines to be used at most.
        glyphs: marks; line-drawing ones by default.
        still: it is not drawn again soon, so that a clock in it would stand.
    """
    marks = glyphs or Glyphs()
    lines = [
        _headline(progress, now, width, marks, still=still),
        _bar(progress, width, marks),
        _counts(progress, width),
        Text(),
    ]
    lines += draw_nodes(list(progress.nodes.values()), now, width, max(height - _HEAD_LINES, 1), marks)
    return [cut(line, width) for line in lines[: max(height, 1)]]


def _headline(progress: RunProgress, now: float, width: int, marks: Glyphs, *, still: bool) -> Text:
    times = "" if still else say_clock(progress.elapsed(now))
    left = None if progress.finished else progress.seconds_left(now)
    if left is not None and progress.done < progress.total:
        times += f" {marks.dot} about {say_clock(left)} left"
    suite = fit(safe_line(progress.suite), max(width - cell_len(times) - 4, 8))
    run = fit(safe_line(progress.run_id), max(width - cell_len(suite) - cell_len(times) - 4, 0))
    gap = max(width - cell_len(suite) - cell_len(run) - cell_len(times) - 2, 1)
    return cut(Text.assemble((suite, STYLES["name"]), "  ", (run, STYLES["quiet"]), " " * gap, times), width)


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


def _waiting(progress: RunProgress, waits_for: str) -> Text:
    """Before the first test: how many there are, and why none of them runs."""
    tests = f"{say_count(progress.total, 'test')}  " if progress.total else ""
    closed = [(f"{words}  ", STYLES[kind]) for kind, words in progress.tally.words(short=True)]
    return Text.assemble((tests, STYLES["name"]), *closed, (f"waiting for {waits_for}", STYLES["running"]))


def _counts(progress: RunProgress, width: int) -> Text:
    if waits_for := progress.waits_for:
        return _waiting(progress, waits_for)
    parts = [(f"{progress.done}/{progress.total}", STYLES["name"])]
    parts += [(words, STYLES[kind]) for kind, words in progress.tally.words(short=True)]
    if progress.running:
        parts.append((f"{progress.running} running", STYLES["running"]))
    if progress.waiting:
        parts.append((f"{progress.waiting} waiting", STYLES["quiet"]))
    line = Text()
    for words, style in parts:
        if line.cell_len + len(words) + 2 <= width:
            line.append("  " if line else "").append(words, style)
    return line
