"""The picture of a run that a page without style and script can show."""

from __future__ import annotations

import base64
from collections.abc import Callable
from xml.etree import ElementTree

from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.reports.artifact_picture import data_uri, draw_run
from pulseq.reports.run_digest import RunDigest

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_every_node_and_every_kind_of_ending_is_drawn(checkout) -> None:
    svg = draw_run(RunDigest(checkout.record))

    assert {"bench-1", "bench-2", "mac-mini", "durations", "failed", "lost"} <= set(texts(svg))
    assert 5 == len([path for path in ElementTree.fromstring(svg).iter(f"{SVG}path") if path.get("fill")])


def test_a_run_of_nothing_has_no_picture() -> None:
    assert draw_run(RunDigest(RunRecord())) is None


def test_a_large_run_has_a_small_picture(tell_story: Callable, plot: type) -> None:
    fleet = {f"n{index}": (8, {}) for index in range(20)}
    story = tell_story([plot(f"t{index}", 0.3 + index % 7 / 10) for index in range(5000)], fleet)

    assert len(draw_run(RunDigest(story.record))) < 300_000


def test_hostile_names_stay_text(tell_story: Callable, plot: type) -> None:
    story = tell_story([plot("t1")], {'"/><script>\x00': (1, {})})

    assert '"/><script>\u2400' in texts(draw_run(RunDigest(story.record)))


def test_a_lost_node_is_marked(tell_story: Callable, plot: type) -> None:
    lost = plot("t1", outcomes=((Status.ERROR, Reason.NODE_LOST), (Status.PASSED, None)))

    assert "lost" in texts(draw_run(RunDigest(tell_story([lost]).record)))


def test_a_data_address_holds_the_picture() -> None:
    kind, _, content = data_uri("<svg/>").partition(",")

    assert ("data:image/svg+xml;base64", b"<svg/>") == (kind, base64.b64decode(content))
