"""The parts of a run's summary, each a function from what it came to to styled lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from pulseq.models import AttemptResult
from pulseq.reports.left_behind import say_left
from pulseq.reports.run_digest import RunDigest, longest_first
from pulseq.reports.shares import NodeWork
from pulseq.reports.verdicts import ClosedTest
from pulseq.reports.wording import STYLES, say_seconds, say_test
from pulseq.safe_text import gist, last_lines, safe_line, safe_lines, without_dump

T = TypeVar("T")

_NAME_COLUMNS = 24
#: What a node's row takes beside its name, its number of tests and its bar.
_SHARE_COLUMNS = 41
_SESSION_LINES = 1_000


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is told: sections in full, lines of error and output in each, rows of a list."""

    sections: int
    error_lines: int
    output_lines: int
    rows: int


def failures(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """Tests that failed or had an error of their own, with the last lines of what they said."""
    bad = run.failures
    if not bad:
        return
    yield rule("failures", width, STYLES["failed"])
    for test in bad[: detail.sections]:
        yield _headline(test)
        yield Text(f"  {test.circumstances}", STYLES["quiet"])
        yield from _said(test, detail)
        yield from _left(run, test, detail)
        yield Text()
    yield from _listed(bad[detail.sections :], detail, _headline)


def without_verdict(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """Tests that the infrastructure kept from a verdict of their own, each with why."""

    def tell(test: ClosedTest) -> Text:
        why = "".join(f"\n      {line}" for line in gist(test.closed.error or "", 2, 300))
        reason = (f"  {test.closed.reason}  ", STYLES["error"])
        return Text.assemble(reason, test.name, (why, STYLES["quiet"]))

    yield from _listed(run.without_verdict, detail, tell, Text("no verdict of their own", STYLES["error"]))


def not_run(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """How many tests were stopped before they had a verdict, in one line; then those that had begun.

    What somebody stops a run for is often one of these.
    """
    stopped = run.not_run
    if not stopped:
        return
    begun = [last for last in longest_first(stopped) if last.started_at > 0 and last.duration > 0]
    ended = f"; {len(begun)} of them {'was' if len(begun) == 1 else 'were'} ended while running" if begun else ""
    yield Text(f"{len(stopped)} not run{ended}", STYLES["note"])
    yield from _listed(begun, detail, lambda last: _timed(last, width))
    if not begun:
        yield Text()


def flaky(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """Tests that passed after they had failed, with what they said first."""

    def tell(test: ClosedTest) -> Text:
        first = f"; first: {said}" if (said := test.first_failure) else ""
        return _one_line(test, f"passed on attempt {test.closed.attempts}{first}", width)

    yield from _listed(run.flaky, detail, tell, Text("flaky", STYLES["flaky"]))


def warned(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """Tests that did not fail and of which there is something that a person should hear, with what it is."""
    bad = {test.closed.test_id for test in run.failures}
    found = [test for test in run.tests if test.last and test.last.warnings and test.closed.test_id not in bad]
    title = Text("warnings", STYLES["note"])
    yield from _listed(found, detail, lambda test: _one_line(test, "; ".join(test.warnings), width), title)


def subtests(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """Tests with subtests that were skipped or expected to fail, which no verdict tells."""
    title = Text("subtests", STYLES["skipped"])
    yield from _listed(run.hides_subtests, detail, lambda test: _one_line(test, test.said_of_subtests, width), title)


def pytest_warnings(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """Each warning that pytest recorded, with the tests that told it."""
    yield from _listed(
        run.warnings,
        detail,
        lambda group: Text(group.words).append(Text(f"\n  {group.circumstances}", STYLES["quiet"])),
        rule("warnings summary", width, STYLES["note"]),
    )


def sessions(run: RunDigest, width: int, *, errors_alone: bool = False) -> Iterator[Text]:
    """What went wrong, and what plug-ins printed, as the sessions of pytest entries ended."""
    for heading, session in run.sessions:
        if errors_alone and not session.error:
            continue
        yield rule(heading, width, STYLES["failed" if session.error else "name"])
        for line in safe_lines(session.error or ""):
            yield Text(line, STYLES["failed"])
        for line in () if errors_alone else last_lines(session.summary, _SESSION_LINES):
            yield Text(line)
        yield Text()


def slowest(run: RunDigest, count: int, width: int) -> Iterator[Text]:
    """The `count` tests whose deciding attempt took longest."""
    ran = run.slowest
    if not ran or count < 1:
        return
    yield Text(f"slowest {min(count, len(ran))} of {len(ran)}", STYLES["name"])
    yield from (_timed(result, width) for result in ran[:count])
    yield Text()


def nodes(run: RunDigest, detail: Detail, width: int) -> Iterator[Text]:
    """What each node did: tests, busy seconds, and how much of its slots' time that was."""
    shares = run.nodes
    if not shares:
        return
    most = max(len(str(share.tests)) for share in shares)
    room = width - most - _SHARE_COLUMNS
    names = min(max(cell_len(safe_line(share.node_id)) for share in shares), _NAME_COLUMNS, max(room - 5, 8))
    bar = max(min(room - names, 24), 5)

    def tell(share: NodeWork) -> Text:
        name = set_cell_size(fit(safe_line(share.node_id), names), names)
        used = min(max(share.utilisation, 0.0), 1.0)
        full = round(used * bar)
        return Text.assemble(
            f"  {name}  {share.tests:>{most}} {'test ' if share.tests == 1 else 'tests'}  ",
            (f"busy {say_seconds(share.busy_seconds):>11}  ", STYLES["quiet"]),
            ("━" * full, STYLES["running"]),
            ("─" * (bar - full), STYLES["waiting"]),
            f" {used:4.0%}",
            (f"  {share.said_of_losses}" if share.losses else "", STYLES["error" if share.lost else "note"]),
        )

    yield from _listed(shares, detail, tell, Text("nodes", STYLES["name"]))


def rule(title: str, width: int, style: str) -> Text:
    """A line across the terminal with a title in its middle."""
    room = max(width - cell_len(title) - 2, 4)
    left, right = "─" * (room // 2), "─" * (room - room // 2)
    return Text.assemble((left, STYLES["quiet"]), (f" {title} ", style), (right, STYLES["quiet"]))


def fit(text: str, columns: int) -> str:
    """`text` in at most `columns` columns; what is cut shows as an ellipsis."""
    return text if cell_len(text) <= columns else set_cell_size(text, columns - 1) + "…"


def _listed(found: Sequence[T], detail: Detail, tell: Callable[[T], Text], title: Text | None = None) -> Iterator[Text]:
    """The first of a list, a line each under its title, and how many more there are; nothing for an empty one."""
    if not found:
        return
    if title is not None:
        yield title
    yield from map(tell, found[: detail.rows])
    if len(found) > detail.rows:
        yield Text(f"  … and {len(found) - detail.rows} more", STYLES["quiet"])
    yield Text()


def _one_line(test: ClosedTest, told: str, width: int) -> Text:
    line = Text.assemble(f"  {test.name}", (f"  {told}", STYLES["quiet"]))
    line.truncate(max(width, 20), overflow="ellipsis")
    return line


def _timed(result: AttemptResult, width: int) -> Text:
    """How long a test took, its name, and its node."""
    node = safe_line(result.node_id, _NAME_COLUMNS)
    name = fit(say_test(result.test_id, result.variant), max(width - 16 - cell_len(node), 20))
    return Text.assemble(f"{say_seconds(result.duration):>12}  ", name, (f"  {node}", STYLES["quiet"]))


def _left(run: RunDigest, test: ClosedTest, detail: Detail) -> Iterator[Text]:
    """What a test left behind, in one line."""
    if told := say_left(run.left_by(test.key), detail.rows):
        yield Text(f"  left {told}", STYLES["quiet"])


def _headline(test: ClosedTest) -> Text:
    return Text.assemble((f"{test.verdict}  ", STYLES[test.closed.status.value]), (test.name, STYLES["name"]))


def _said(test: ClosedTest, detail: Detail) -> Iterator[Text]:
    last, error = test.last, test.error
    for line in last_lines(error, detail.error_lines):
        yield Text(f"  {line}", "red" if line.startswith("E ") else "")
    output = without_dump(error, last.output.strip()) if last else ""
    if output and output not in error:
        yield Text("  output:", STYLES["quiet"])
        for line in last_lines(output, detail.output_lines):
            yield Text(f"  │ {line}")
    for warning in test.warnings:
        yield Text(f"  warning: {warning}", STYLES["note"])
