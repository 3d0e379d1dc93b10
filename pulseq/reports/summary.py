"""What a run came to, for people: failures first, then what else is worth a look, then the counts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from pulseq.records import RunRecord
from pulseq.reports import sections
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.sections import Detail
from pulseq.reports.terminal import Terminal
from pulseq.reports.wording import STYLES, say_seconds
from pulseq.safe_text import safe_line

_PLAIN_WIDTH = 80
_QUIET = Detail(sections=0, error_lines=0, output_lines=0, rows=100)
_NORMAL = Detail(sections=20, error_lines=14, output_lines=8, rows=30)
_VERBOSE = Detail(sections=200, error_lines=80, output_lines=40, rows=500)


@dataclass(frozen=True)
class Summary:
    """The summary of a run: print it on a rich console, or take `plain()` for a pipe.

    Attributes:
        durations: how many of the slowest tests are told.
        verbosity: -1 one line a failure, 0 the last lines of 20, 1 more of more.
        locations: where the results are, by the word for each (journal, database, junit), and what may be done next.
        end_alone: only what it came to and where that is.
    """

    run: RunDigest
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
        yield _last_line(self.run, width)
        yield from _places(self.run.record, self.locations)

    def _told(self, width: int) -> Iterator[Text]:
        run, detail = self.run, _detail(self.verbosity)
        for part in (sections.failures, sections.without_verdict, sections.not_run):
            yield from part(run, detail, width)
        if self.verbosity >= 0:
            for part in (sections.flaky, sections.warned, sections.subtests, sections.pytest_warnings):
                yield from part(run, detail, width)
            yield from sections.slowest(run, self.durations, width)
            yield from sections.nodes(run, detail, width)
        yield from sections.sessions(run, width, errors_alone=self.verbosity < 0)


def print_summary(summary: Summary, *, stderr: bool = False) -> None:
    """Print a summary in colours on a terminal, plain elsewhere and in CI."""
    terminal = Terminal(stderr=stderr)
    if terminal.is_terminal and not os.environ.get("CI"):
        terminal.print(summary)
    else:
        stream = sys.stderr if stderr else sys.stdout
        stream.write(summary.plain())
        stream.flush()


def render_summary(
    record: RunRecord,
    *,
    durations: int = 5,
    verbosity: int = 0,
    locations: Mapping[str, str] | None = None,
    end_alone: bool = False,
) -> Summary:
    """The summary of a run, complete or not, from its record."""
    return Summary(RunDigest(record), durations, verbosity, locations or {}, end_alone)


def find_untold(record: RunRecord, *, verbosity: int = 0) -> list[tuple[str, str]]:
    """The failures that a summary tells in full and whose texts the record has left to the journal."""
    bad = RunDigest(record).failures[: _detail(verbosity).sections]
    return [one.key for one in bad if one.closed.error and one.last is not None and one.last.error is None]


def _detail(verbosity: int) -> Detail:
    return _QUIET if verbosity < 0 else _NORMAL if verbosity == 0 else _VERBOSE


def _last_line(run: RunDigest, width: int) -> Text:
    words = run.tally.words()
    said = _counted(run, words)
    if said.cell_len > width:
        said = _counted(run, run.tally.words(short=True))
    room = width - said.cell_len - 2
    if room < 4:
        return said
    style = STYLES[words[0][0] if words else "quiet"]
    left, right = "═" * (room // 2), "═" * (room - room // 2)
    return Text.assemble((f"{left} ", style), said, (f" {right}", style))


def _counted(run: RunDigest, words: list[tuple[str, str]]) -> Text:
    said = Text(", ").join(Text(told, STYLES[kind]) for kind, told in words) if words else Text("no test has a verdict")
    if run.unfinished:
        said.append(f", {len(run.unfinished)} not finished", STYLES["error"])
    if finished := run.record.finished:
        said.append(f" in {say_seconds(finished.wall_seconds)}")
        if finished.reason not in ("passed", "failed"):
            said.append(f" · {safe_line(finished.reason)}", STYLES["note"])
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
