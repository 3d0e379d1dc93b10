"""The terminal of a run as an image for the documentation."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

from pulseq.reports.progress import RunProgress

export_run_svg = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "images" / "draw_terminal.py"))[
    "export_run_svg"
]


def picture_of(checkout, command: str = "pulseq run suite.yaml") -> str:
    progress = RunProgress()
    for when, event in checkout.until(9.3):
        progress.apply(event, when)
    return export_run_svg(checkout.record, command=command, moments=[(progress, 9.3)])


def words_of(svg: str) -> str:
    return " ".join("".join(ElementTree.fromstring(svg).itertext()).replace("\xa0", " ").split())


def test_the_picture_shows_the_command_the_run_and_its_summary(checkout) -> None:
    words = words_of(picture_of(checkout))
    shown = ["$ pulseq run suite.yaml", "49/120", "bench-1", "failures", "slowest 3 of 119", "114 passed"]
    assert shown == [word for word in shown if word in words]


def test_the_picture_loads_nothing_from_elsewhere(checkout) -> None:
    svg = picture_of(checkout)
    assert [word for word in ("url(http", "@import", "@font-face", "href", "<script") if word in svg] == []


def test_hostile_text_stays_text(checkout) -> None:
    assert "<script>alert(1)</script>" in words_of(picture_of(checkout, "</text><script>alert(1)</script>\x1b[2J"))


def test_the_same_run_makes_the_same_picture(checkout) -> None:
    assert picture_of(checkout) == picture_of(checkout)
