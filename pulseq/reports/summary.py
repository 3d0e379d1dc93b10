"""What a run came to, for people: failures first, then what else is worth a look, then the counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from pulseq.records import RunRecord
from pulseq.reports import pytest_sections, sections
from pulseq.reports.sections import Detail
from pulseq.reports.shares import share_nodes
from pulseq.reports.tally import count_verdicts
from pulseq.reports.text import safe_line
from pulseq.reports.verdicts import own_failures, verdicts_of
from pulseq.reports.wording import STYLES, say_seconds

_PLAIN_WIDTH = 80
_QUIET = Detail(sections=0, error_lines=0, output_lines=0, rows=100)
_NORMAL = Detail(sections=20, error_lines=14, output_lines=8, rows=30)
_VERBOSE = Detail(sections=200, error_lines=80, output_lines=40, rows=500)


@dataclass(frozen=True)
class RunSummary:
    """The summary of a run: print it on a rich console, or take `plain()` for a pipe.

    Attributes:
        durations: how many of the slowest tests are told.
        verbosity: -1 one line a failure, 0 the last lines of 20, 1 more of more.
        locations: where the results are, by the word for each (journal, database, junit), and what may be done next.
        end_alone: only what it came to and where that is.
    """

    record: RunRecord
    durations: int
    verbosity: int
    locations: Mapping[str, str]
    end_alone: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self.lines(options.max_width):
            line.overflow = "ignore" if line.no_wrap else "fold"
            yield line

    def plain(self, width: int = _PLAIN_WIDTH) -> str:
        """The same lines without styles; tables fit `width`, long lines of errors are left whole."""
        return "\n".join(line.plain.rstrip() for line in self.lines(width)) + "\n"

    def lines(self, width: int) -> Iterator[Text]:
        """The lines of the summary for a terminal of `width` columns."""
        if not self.end_alone:
            yield from self._told(width)
        yield _last_line(self.record, width)
        yield from _places(self.record, self.locations)

    def _told(self, width: int) -> Iterator[Text]:
        verdicts = verdicts_of(self.record)
        detail = _detail(self.verbosity)
        yield from sections.failures(verdicts, detail, width)
        yield from sections.without_verdict(verdicts, detail)
        yield from sections.not_run(verdicts, detail, width)
        if self.verbosity >= 0:
            yield from sections.flaky(verdicts, detail, width)
            yield from sections.warned(verdicts, detail, width)
            yield from pytest_sections.subtests(verdicts, detail, width)
            yield from pytest_sections.warnings(self.record, detail, width)
            yield from sections.slowest(verdicts, self.durations, width)
            yield from sections.nodes(share_nodes(self.record), width, detail.rows)
        yield from pytest_sections.sessions(self.record, width, errors_alone=self.verbosity < 0)


def render_summary(
    record: RunRecord,
    *,
    durations: int = 5,
    verbosity: int = 0,
    locations: Mapping[str, str] | None = None,
    end_alone: bool = False,
) -> RunSummary:
    """The summary of a run, complete or not, from its record."""
    return RunSummary(record, durations, verbosity, locations or {}, end_alone)


def find_untold(record: RunRecord, *, verbosity: int = 0) -> list[tuple[str, str]]:
    """The failures that a summary tells in full and whose texts the record has left to the journal."""
    bad = own_failures(verdicts_of(record))[: _detail(verbosity).sections]
    return [
        (closed.test_id, closed.variant)
        for test, closed in bad
        if closed.error and test.last is not None and test.last.error is None
    ]


def _detail(verbosity: int) -> Detail:
    return _QUIET if verbosity < 0 else _NORMAL if verbosity == 0 else _VERBOSE


def _last_line(record: RunRecord, width: int) -> Text:
    tally = count_verdicts(record)
    said = _counted(record, tally.words())
    if said.cell_len > width:
        said = _counted(record, tally.words(short=True))
    room = width - said.cell_len - 2
    if room < 4:
        return said
    style = STYLES[tally.words()[0][0]] if tally.words() else STYLES["quiet"]
    left, right = "═" * (room // 2), "═" * (room - room // 2)
    return Text.assemble((f"{left} ", style), said, (f" {right}", style))


def _counted(record: RunRecord, words: list[tuple[str, str]]) -> Text:
    said = Text(", ").join(Text(told, STYLES[kind]) for kind, told in words) if words else Text("no test has a verdict")
    unfinished = sum(1 for test in record.tests.values() if not test.closed)
    if unfinished:
        said.append(f", {unfinished} not finished", STYLES["error"])
    if record.finished:
        said.append(f" in {say_seconds(record.finished.wall_seconds)}")
        if record.finished.reason not in ("passed", "failed"):
            said.append(f" · {safe_line(record.finished.reason)}", STYLES["note"])
    return said


def _places(record: RunRecord, locations: Mapping[str, str]) -> Iterator[Text]:
    places = {"run": record.started.run_id} if record.started else {}
    places.update(locations)
    if record.prefect:
        places["flow run"] = record.prefect.url or record.prefect.flow_run_id
    wide = max((cell_len(word) for word in places), default=0)
    for word, place in places.items():
        # Left to the terminal to wrap, so that it can be copied whole.
        line = Text.assemble((f"{word:<{wide}}  ", STYLES["quiet"]), safe_line(place, 1000))
        line.no_wrap = True
        yield line
