"""The parts of a summary, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from rich.cells import cell_len
from rich.text import Text

from pulseq.artifacts import Artifact
from pulseq.events import ArtifactsKept
from pulseq.models import Reason, Status
from pulseq.reports import sections
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.sections import Detail

FULL = Detail(sections=10, error_lines=3, output_lines=2, rows=10)
SHORT = Detail(sections=1, error_lines=1, output_lines=1, rows=1)
FAILED = ((Status.FAILED, Reason.ASSERTION),)
PASSED = ((Status.PASSED, None),)


def lines(texts: Iterable[Text]) -> list[str]:
    return [text.plain for text in texts]


@pytest.fixture
def verdicts(plot, tell_story: Callable) -> Callable[..., RunDigest]:
    """`verdicts(name={…}, …)`: closed tests of these names, each told by the fields of a plot."""
    return lambda **tests: RunDigest(tell_story([plot(name, **fields) for name, fields in tests.items()]).record)


def test_where_all_is_well_nothing_is_told(verdicts) -> None:
    well = verdicts(a={}, b={})

    assert [[]] * 5 == [
        lines(sections.failures(well, FULL, 80)),
        lines(sections.without_verdict(well, FULL, 80)),
        lines(sections.not_run(well, FULL, 80)),
        lines(sections.flaky(well, FULL, 80)),
        lines(sections.warned(well, FULL, 80)),
    ]


def test_a_failure_has_the_last_lines_of_error_and_output(verdicts) -> None:
    failed = verdicts(a={"outcomes": FAILED, "error": "one\ntwo\nthree\nE four", "output": "x\ny\nz"})

    told = lines(sections.failures(failed, FULL, 80))

    assert "failures" in told[0]
    assert "failed (assertion)  a" == told[1]
    assert ["  … 1 earlier line", "  two", "  three", "  E four"] == told[3:7]
    assert ["  output:", "  │ … 1 earlier line", "  │ y", "  │ z"] == told[7:11]


def test_failures_that_are_not_told_in_full_are_listed_and_then_counted(verdicts) -> None:
    failed = verdicts(**{name: {"outcomes": FAILED, "error": "no"} for name in "abcd"})

    told = lines(sections.failures(failed, SHORT, 80))

    assert ["failed (assertion)  b", "  … and 2 more", ""] == told[-3:]


def test_what_no_node_ran_is_told_with_why_and_is_no_failure(verdicts) -> None:
    lost = verdicts(a={"outcomes": (), "error": "no node fits browser=edge"})

    assert [] == lines(sections.failures(lost, FULL, 80))
    assert "  unsatisfiable  a\n      no node fits browser=edge" in lines(sections.without_verdict(lost, FULL, 80))


def test_what_was_stopped_is_counted_and_what_had_begun_is_listed(verdicts) -> None:
    stopped = ((Status.ERROR, Reason.CANCELLED),)

    told = lines(sections.not_run(verdicts(a={"outcomes": stopped, "seconds": 3.0}, b={}), FULL, 80))

    assert "1 not run; 1 of them was ended while running" == told[0]
    assert "a" in told[1]


def test_what_passed_after_a_failure_is_told_with_what_it_said_first(verdicts) -> None:
    (heading, line, _) = lines(sections.flaky(verdicts(a={"outcomes": FAILED + PASSED}), FULL, 200))

    assert "flaky" == heading
    assert line.startswith("  a  passed on attempt 2; first: ")


def test_warnings_are_those_of_tests_that_did_not_fail(verdicts) -> None:
    told = verdicts(a={"warnings": ("odd",)}, b={"warnings": ("bad",), "outcomes": FAILED})

    assert ["warnings", "  a  odd", ""] == lines(sections.warned(told, FULL, 80))


def test_the_slowest_come_first(verdicts) -> None:
    told = lines(sections.slowest(verdicts(a={"seconds": 1.0}, b={"seconds": 3.0}, c={"seconds": 2.0}), 2, 80))

    assert "slowest 2 of 3" == told[0]
    assert ["b", "c"] == [line.split()[2] for line in told[1:3]]


@pytest.mark.parametrize(("text", "columns", "fitted"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 4, "日 …")])
def test_what_is_too_wide_ends_in_an_ellipsis(text: str, columns: int, fitted: str) -> None:
    found = sections.fit(text, columns)

    assert cell_len(found) <= columns
    assert fitted == found


def test_a_rule_is_as_wide_as_it_is_to_be() -> None:
    assert 40 == cell_len(sections.rule("failures", 40, "red").plain)


def test_a_failure_names_what_it_left_in_one_line_also_where_that_has_a_hostile_name(verdicts) -> None:
    failed = verdicts(a={"outcomes": FAILED})
    files = tuple(Artifact(name, 3, "f00d", "", f"artifacts/a/1/{name}") for name in ("a.png", "b\x1b[2J\nc"))
    failed.record.apply(ArtifactsKept("a", "", 1, "n", files))

    told = [line for line in lines(sections.failures(failed, FULL, 80)) if line.startswith("  left")]

    assert ["  left artifacts/a/1: a.png (3 B), b c (3 B)"] == told
