"""What a terminal shows of a run, as an SVG image for a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from pulseq.records import RunRecord
from pulseq.reports.frame import draw_frame
from pulseq.reports.progress import RunProgress
from pulseq.reports.summary import render_summary
from pulseq.safe_text import safe_line

_FRAME_LINES = 16
_PAPER = (22, 27, 34)
_INK = (208, 215, 222)
_COLOURS = [
    (110, 118, 129),
    (248, 113, 113),
    (86, 190, 120),
    (224, 175, 84),
    (108, 168, 245),
    (200, 140, 240),
    (88, 196, 206),
    (208, 215, 222),
]
_BRIGHT = [(125, 133, 144), *_COLOURS[1:]]
_THEME = TerminalTheme(_PAPER, _INK, _COLOURS, _BRIGHT)
# Rich's own format loads a font from the net; a picture on a page should need nothing but itself.
_SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


def export_run_svg(
    record: RunRecord,
    *,
    command: str,
    moments: Sequence[tuple[RunProgress, float]] = (),
    locations: Mapping[str, str] | None = None,
    durations: int = 3,
    width: int = 100,
    height: int = 24,
) -> str:
    """The terminal of a run as SVG: the command, pictures of moments in between, the summary.

    Args:
        record: the run, for the summary.
        command: what was typed, for the first line.
        moments: progress of the run and the clock it was at, each drawn as the live view draws it.
        locations: where the results are, as `render_summary` takes them.
        durations: how many of the slowest tests the summary tells.
        width: columns of the terminal.
        height: rows of the terminal, which bound the pictures of moments.

    Returns:
        The text of an SVG file that loads nothing from elsewhere.
    """
    console = Console(
        record=True,
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    console.print(Text.assemble(("$ ", "green"), (safe_line(command), "bold")))
    for progress, now in moments:
        console.print()
        for line in draw_frame(progress, now, width, min(_FRAME_LINES, height)):
            console.print(line)
    console.print()
    console.print(render_summary(record, durations=durations, locations=locations))
    return console.export_svg(title="pulseq", theme=_THEME, code_format=_SVG, unique_id="pulseq")
