"""The table of what went wrong."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.models import Reason, Status
from pulseq.reports.artifact_table import MOST_ROWS, list_failures


def test_a_row_tells_where_and_why(checkout) -> None:
    row = next(row for row in list_failures(checkout.record) if row["test"].startswith("cart-total"))

    assert ("failed (assertion)", 2, 1.2) == (row["verdict"], row["attempts"], row["seconds"])
    assert "AssertionError: assert 4 == 5" == row["said"]
    assert row["node"] in ("bench-1", "bench-2", "mac-mini")


def test_what_passed_or_was_skipped_is_not_in_it(checkout) -> None:
    assert ["cart-total (browser=chrome)", "login-slow", "unit::tests/test_price.py::TestTax::test_rate[de]"] == [
        row["test"] for row in list_failures(checkout.record) if row["verdict"] != "error (unsatisfiable)"
    ]


def test_a_test_that_never_started_is_in_it(checkout) -> None:
    (row,) = [row for row in list_failures(checkout.record) if row["verdict"] == "error (unsatisfiable)"]

    assert ("", 0, 0.0) == (row["node"], row["attempts"], row["seconds"])


def test_it_is_bounded(tell_story: Callable, plot: type) -> None:
    plots = [plot(f"t{index}", 0.1, ((Status.FAILED, Reason.ASSERTION),)) for index in range(MOST_ROWS + 9)]

    assert MOST_ROWS == len(list_failures(tell_story(plots).record))


def test_a_cell_shows_markup_and_does_not_obey_it(tell_story: Callable, plot: type) -> None:
    hostile = plot("a<b>&amp;", 0.1, ((Status.FAILED, Reason.ASSERTION),), error="<script>x</script>")
    (row,) = list_failures(tell_story([hostile]).record)

    assert ("a&lt;b>&amp;amp;", "&lt;script>x&lt;/script>") == (row["test"], row["said"])
