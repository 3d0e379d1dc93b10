"""The page of a run in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pulseq.artifacts import Artifact
from pulseq.events import ArtifactsKept
from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.reports.markdown import fenced, plain, render_markdown

FAILED = ((Status.FAILED, Reason.ASSERTION),)


def test_it_begins_with_the_suite_and_the_counts(checkout) -> None:
    text = render_markdown(checkout.record)

    assert text.startswith("# checkout\n\n**2 failed, 2 errors (1 without a verdict), 114 passed, 1 skipped, 1 xfailed")


def test_it_has_the_picture_in_it(checkout) -> None:
    assert 1 == render_markdown(checkout.record).count("](data:image/svg+xml;base64,")


def test_a_failure_is_told_with_its_error(checkout) -> None:
    text = render_markdown(checkout.record)

    assert "**cart-total (browser=chrome)** failed (assertion)" in text
    assert "E   AssertionError: assert 4 == 5" in text


def test_each_kind_of_trouble_has_its_part(checkout) -> None:
    titles = re.findall(r"^## (.*)$", render_markdown(checkout.record, locations={"journal": "j"}), re.MULTILINE)

    assert ["3 failures", "No verdict of their own", "Flaky", "Slowest", "Nodes", "Notes", "Where"] == titles


def test_very_many_failures_are_counted_and_not_all_told(tell_story: Callable, plot: type) -> None:
    text = render_markdown(tell_story([plot(f"t{index}", 0.1, FAILED) for index in range(5000)]).record)

    assert "… and 4980 more" in text
    assert len(text) < 300_000


def test_a_run_of_nothing_is_told() -> None:
    assert "# a run\n\n**no test has a verdict**\n" == render_markdown(RunRecord())


def test_a_run_that_goes_on_says_how_much_is_open(checkout) -> None:
    record = RunRecord()
    for _, event in checkout.until(3.0):
        record.apply(event)

    assert " not finished" in render_markdown(record)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r")), min_size=1))
def test_nothing_in_a_block_ends_it(lines: list[str]) -> None:
    block = fenced(lines).split("\n")

    fence = block[0].removesuffix("text")
    assert all(fence not in line for line in block[1:-1])


@given(st.text())
def test_strangers_text_makes_no_markup(text: str) -> None:
    shown = plain(text)

    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|]", shown)
    assert "<" not in shown
    assert "\n" not in shown


def test_hostile_names_make_no_table_and_no_link(tell_story: Callable, plot: type) -> None:
    text = render_markdown(tell_story([plot("a|b](http://x)<img src=x>`", 1.0)]).record)

    assert "a\\|b\\](http://x)&lt;img src=x\\>\\`" in text


def test_a_failure_names_what_it_left(checkout) -> None:
    record = checkout.record
    file = Artifact("a_b.png", 3, "f00d", "image/png", "artifacts/cart/2/a_b.png")
    record.apply(ArtifactsKept("cart-total", "browser=chrome", 2, "n", (file,)))

    assert "left artifacts/cart/2: a\\_b.png (3 B)" in render_markdown(record)
