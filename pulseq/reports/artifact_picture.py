"""A run as one small picture for a page that takes no style and no script: nodes over time, and durations."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from html import escape

from pulseq.reports.histogram import Histogram
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.timeline import KINDS, Bar, Timeline, Track
from pulseq.safe_text import safe_line

_WIDTH = 960
_NAMES = 150
_ROOM = _WIDTH - _NAMES - 10
_BARS_TALL = 110
_COLOURS = {"failed": "#e5534b", "error": "#c678dd", "lost": "#8b949e", "skipped": "#d4a72c", "passed": "#3fb27f"}
_INK, _QUIET, _PAPER = "#d0d7de", "#8b949e", "#161b22"
_NAME_CHARACTERS = 20


def draw_run(run: RunDigest) -> str | None:
    """The SVG of a run, some kilobytes whatever its size; None where nothing is known to have run."""
    if run.timeline is None:
        return None
    parts: list[str] = []
    top = _draw_legend(parts, 0)
    top = _draw_timeline(parts, run.timeline, top)
    if run.durations is not None:
        top = _draw_durations(parts, run.durations, top)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}" '
        f'font-family="system-ui,sans-serif" font-size="12"><rect width="{_WIDTH}" height="{top}" rx="6" '
        f'fill="{_PAPER}"/>{"".join(parts)}</svg>'
    )


def data_uri(svg: str) -> str:
    """The picture as an address that holds all of it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _draw_legend(parts: list[str], top: int) -> int:
    for place, kind in enumerate(KINDS):
        x = _NAMES + place * 85
        parts.append(f'<rect x="{x}" y="{top + 10}" width="12" height="12" fill="{_COLOURS[kind]}"/>')
        parts.append(_text(x + 18, top + 20, kind, _INK))
    return top + 34


def _draw_timeline(parts: list[str], timeline: Timeline, top: int) -> int:
    lanes = sum(len(track.lanes) for track in timeline.tracks)
    tall = 16 if lanes <= 12 else 8 if lanes <= 48 else 6
    begin = top
    shapes: dict[str, dict[str, None]] = defaultdict(dict)
    for track in timeline.tracks:
        parts.append(_text(12, top + 12, _name(track), _INK))
        for lane in track.lanes:
            for kind, shape in _outline_bars(timeline, lane, top, tall):
                shapes[kind][shape] = None
            top += tall + 2
        top += max(16 - (tall + 2) * len(track.lanes), 0) + 4
    for at, words in timeline.ticks:
        x = _NAMES + _ROOM * (at - timeline.begin) / (timeline.end - timeline.begin)
        parts.append(f'<path d="M{x:.0f} {begin}V{top}" stroke="#30363d"/>')
        parts.append(_text(x, top + 14, words, _QUIET, "middle"))
    parts += [
        f'<path fill="{_COLOURS[kind]}" d="{"".join(shapes[kind])}"/>' for kind in reversed(KINDS) if shapes[kind]
    ]
    return top + 26


def _name(track: Track) -> str:
    first = safe_line(track.node_ids[0], _NAME_CHARACTERS)
    others = f" +{len(track.node_ids) - 1}" if len(track.node_ids) > 1 else ""
    return f"{first}{others}{' (lost)' if track.lost else ''}"


def _outline_bars(timeline: Timeline, lane: Iterable[Bar], top: int, tall: int) -> Iterator[tuple[str, str]]:
    """Kind and outline of each bar, in tenths of a pixel, so that bars too close to tell apart are one."""
    scale = _ROOM / (timeline.end - timeline.begin)
    for bar in lane:
        x = _NAMES + (bar.start - timeline.begin) * scale
        width = max((bar.end - bar.start) * scale, 0.8)
        height = max(bar.share * tall, 1.5)
        yield bar.kind, _outline(x, top + tall - height, width, height)
        if bar.wrong and bar.wrong_kind != bar.kind:
            part = max(bar.wrong * height, 2.0)
            yield bar.wrong_kind, _outline(x, top + tall - part, max(width, 2.0), part)


def _outline(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


def _draw_durations(parts: list[str], told: Histogram, top: int) -> int:
    parts.append(_text(12, top + 16, "durations", _INK))
    wide = min(_ROOM / len(told.bins), 70)
    floor = top + 16 + _BARS_TALL
    for place, one in enumerate(told.bins):
        x = _NAMES + place * wide
        for kind, count in (("passed", one.count), ("failed", one.bad)):
            tall = max(_BARS_TALL * count / told.most, 2 if count else 0)
            if tall:
                box = f'x="{x + 2:.1f}" y="{floor - tall:.1f}" width="{wide - 4:.1f}" height="{tall:.1f}"'
                parts.append(f'<rect {box} fill="{_COLOURS[kind]}"/>')
        if one.count:
            parts.append(
                _text(x + wide / 2, floor - _BARS_TALL * one.count / told.most - 4, str(one.count), _INK, "middle")
            )
        parts.append(_text(x + wide / 2, floor + 14, one.short, _QUIET, "middle"))
    return floor + 26


def _text(x: float, y: float, words: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'
