"""The parts of a run's summary, each a function from closed tests to styled lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from pulseq.events import TestClosed
from pulseq.models import AttemptResult
from pulseq.records import TestRecord
from pulseq.reports.shares import NodeShare
from pulseq.reports.text import gist, last_lines, safe_line, without_dump
from pulseq.reports.verdicts import (
    Verdict,
    error_of,
    is_not_run,
    kept_from_verdict,
    own_failures,
    say_circumstances,
    say_first_failure,
)
from pulseq.reports.wording import STYLES, say_seconds, say_test, say_verdict

_NAME_COLUMNS = 24
#: What a node's row takes beside its name, its number of tests and its bar.
_SHARE_COLUMNS = 41


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is told: sections in full, lines of error and output in each, rows of a list."""

    sections: int
    error_lines: int
    output_lines: int
    rows: int


def failures(verdicts: Sequence[Verdict], detail: Detail, width: int) -> Iterator[Text]:
    """Tests that failed or had an error of their own, with the last lines of what they said."""
    bad = own_failures(verdicts)
    if not bad:
        return
    yield rule("failures", width, STYLES["failed"])
    for test, closed in bad[: detail.sections]:
        yield _headline(closed)
        yield Text(f"  {say_circumstances(test, closed)}", STYLES["quiet"])
        yield from _said(test, closed, detail)
        yield Text()
    rest = bad[detail.sections :]
    yield from listed([_headline(closed) for _, closed in rest[: detail.rows]], len(rest))


def without_verdict(verdicts: Sequence[Verdict], detail: Detail) -> Iterator[Text]:
    """Tests that the infrastructure kept from a verdict of their own, each with why."""
    lost = kept_from_verdict(verdicts)
    if not lost:
        return
    yield Text("no verdict of their own", STYLES["error"])
    lines = []
    for _, closed in lost[: detail.rows]:
        why = "".join(f"\n      {line}" for line in gist(closed.error or "", 2, 300))
        test = say_test(closed.test_id, closed.variant)
        lines.append(Text.assemble((f"  {closed.reason}  ", STYLES["error"]), test, (why, STYLES["quiet"])))
    yield from listed(lines, len(lost))


def not_run(verdicts: Sequence[Verdict], detail: Detail, width: int) -> Iterator[Text]:
    """How many tests were stopped before they had a verdict, in one line; then those that had begun.

    What somebody stops a run for is often one of these.
    """
    stopped = [test for test, closed in verdicts if is_not_run(closed)]
    if not stopped:
        return
    begun = [last for test in stopped if (last := test.last) and last.started_at > 0 and last.duration > 0]
    ended = f"; {len(begun)} of them {'was' if len(begun) == 1 else 'were'} ended while running" if begun else ""
    yield Text(f"{len(stopped)} not run{ended}", STYLES["note"])
    lines = []
    for last in sorted(begun, key=_longest_first)[: detail.rows]:
        node = safe_line(last.node_id, _NAME_COLUMNS)
        name = fit(say_test(last.test_id, last.variant), max(width - 16 - cell_len(node), 20))
        lines.append(Text.assemble(f"{say_seconds(last.duration):>12}  ", name, (f"  {node}", STYLES["quiet"])))
    yield from listed(lines, len(begun))
    if not begun:
        yield Text()


def flaky(verdicts: Sequence[Verdict], detail: Detail, width: int) -> Iterator[Text]:
    """Tests that passed after they had failed, with what they said first."""
    found = [(test, closed) for test, closed in verdicts if closed.flaky]
    if not found:
        return
    yield Text("flaky", STYLES["flaky"])
    lines = []
    for test, closed in found[: detail.rows]:
        first = say_first_failure(test)
        told = f"  passed on attempt {closed.attempts}{f'; first: {first}' if first else ''}"
        line = Text.assemble(f"  {say_test(closed.test_id, closed.variant)}", (told, STYLES["quiet"]))
        line.truncate(max(width, 20), overflow="ellipsis")
        lines.append(line)
    yield from listed(lines, len(found))


def warned(verdicts: Sequence[Verdict], detail: Detail, width: int) -> Iterator[Text]:
    """Tests that did not fail and of which there is something that a person should hear, with what it is."""
    bad = {closed.test_id for _, closed in own_failures(verdicts)}
    found = [
        (closed, last)
        for test, closed in verdicts
        if (last := test.last) and last.warnings and closed.test_id not in bad
    ]
    if not found:
        return
    yield Text("warnings", STYLES["note"])
    lines = []
    for closed, last in found[: detail.rows]:
        told = f"  {'; '.join(safe_line(warning) for warning in last.warnings)}"
        line = Text.assemble(f"  {say_test(closed.test_id, closed.variant)}", (told, STYLES["quiet"]))
        line.truncate(max(width, 20), overflow="ellipsis")
        lines.append(line)
    yield from listed(lines, len(found))


def slowest(verdicts: Sequence[Verdict], count: int, width: int) -> Iterator[Text]:
    """The `count` tests whose deciding attempt took longest."""
    ran = [last for test, closed in verdicts if (last := test.last) and not is_not_run(closed)]
    if not ran or count < 1:
        return
    yield Text(f"slowest {min(count, len(ran))} of {len(ran)}", STYLES["name"])
    for result in sorted(ran, key=_longest_first)[:count]:
        node = safe_line(result.node_id, _NAME_COLUMNS)
        room = max(width - 16 - cell_len(node), 20)
        name = fit(say_test(result.test_id, result.variant), room)
        yield Text.assemble(f"{say_seconds(result.duration):>12}  ", name, (f"  {node}", STYLES["quiet"]))
    yield Text()


def nodes(shares: Sequence[NodeShare], width: int, rows: int) -> Iterator[Text]:
    """What each node did: tests, busy seconds, and how much of its slots' time that was."""
    if not shares:
        return
    most = max(len(str(share.tests)) for share in shares)
    room = width - most - _SHARE_COLUMNS
    names = min(max(cell_len(safe_line(share.node_id)) for share in shares), _NAME_COLUMNS, max(room - 5, 8))
    bar = max(min(room - names, 24), 5)
    yield Text("nodes", STYLES["name"])
    lines = []
    for share in shares[:rows]:
        name = set_cell_size(fit(safe_line(share.node_id), names), names)
        used = min(max(share.utilisation, 0.0), 1.0)
        full = round(used * bar)
        line = Text.assemble(
            f"  {name}  {share.tests:>{most}} {'test ' if share.tests == 1 else 'tests'}  ",
            (f"busy {say_seconds(share.busy_seconds):>11}  ", STYLES["quiet"]),
            ("━" * full, STYLES["running"]),
            ("─" * (bar - full), STYLES["waiting"]),
            f" {used:4.0%}",
            (f"  {share.said_of_losses}" if share.losses else "", STYLES["error" if share.lost else "note"]),
        )
        lines.append(line)
    yield from listed(lines, len(shares))


def rule(title: str, width: int, style: str) -> Text:
    """A line across the terminal with a title in its middle."""
    room = max(width - cell_len(title) - 2, 4)
    left, right = "─" * (room // 2), "─" * (room - room // 2)
    return Text.assemble((left, STYLES["quiet"]), (f" {title} ", style), (right, STYLES["quiet"]))


def fit(text: str, columns: int) -> str:
    """`text` in at most `columns` columns; what is cut shows as an ellipsis."""
    return text if cell_len(text) <= columns else set_cell_size(text, columns - 1) + "…"


def listed(lines: Sequence[Text], count: int) -> Iterator[Text]:
    """The first lines of a list of `count`, and how many more there are; nothing for an empty one."""
    if not count:
        return
    yield from lines
    if count > len(lines):
        yield Text(f"  … and {count - len(lines)} more", STYLES["quiet"])
    yield Text()


def _headline(closed: TestClosed) -> Text:
    return Text.assemble(
        (f"{say_verdict(closed)}  ", STYLES[closed.status.value]),
        (say_test(closed.test_id, closed.variant), STYLES["name"]),
    )


def _said(test: TestRecord, closed: TestClosed, detail: Detail) -> Iterator[Text]:
    last = test.last
    error = error_of(test, closed)
    for line in last_lines(error, detail.error_lines):
        yield Text(f"  {line}", "red" if line.startswith("E ") else "")
    output = without_dump(error, last.output.strip()) if last else ""
    if output and output not in error:
        yield Text("  output:", STYLES["quiet"])
        for line in last_lines(output, detail.output_lines):
            yield Text(f"  │ {line}")
    for warning in last.warnings if last else ():
        yield Text(f"  warning: {safe_line(warning)}", STYLES["note"])


def _longest_first(result: AttemptResult) -> tuple[float, str]:
    return (-result.duration, result.test_id)
