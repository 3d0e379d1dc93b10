"""The run as plain lines, for a pipe, a file or CI: no control codes, nothing redrawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from pulseq.events import AttemptFinished, EntryCollected, Event, NodeJoined, NodeLost, RunNote, RunStarted, TestClosed
from pulseq.models import Status
from pulseq.reports.awaited import OWN_SERVER
from pulseq.reports.progress import RunProgress
from pulseq.reports.start_line import say_start
from pulseq.reports.verdicts import is_not_run
from pulseq.reports.wording import say_capabilities, say_clock, say_count, say_seconds, say_test, say_verdict
from pulseq.safe_text import gist, safe_line

_ERROR_LINES = 3
#: Before the first test whoever waits wants to hear sooner that something goes on.
_WAITING_SECONDS = 10.0


class PlainView:
    """Writes a run's events as lines.

    Verbosity -1 (`-q`) says only what fails; 0 adds nodes, notes and a line of
    progress at every tenth of the tests or every `progress_seconds`, whichever is
    first (though never two within a second); 1 (`-v`) has a line for every test. Until
    the first test runs, the line says what is waited for.
    Where the stream goes away (a pipe whose reader has ended), writing ends and the
    run does not notice.
    """

    def __init__(
        self,
        stream: TextIO,
        verbosity: int,
        clock: Callable[[], float],
        progress_seconds: float = 30.0,
    ) -> None:
        self.progress = RunProgress()
        self._stream = stream
        self._verbosity = verbosity
        self._clock = clock
        self._progress_seconds = progress_seconds
        self._gone = False
        self._said_at = 0.0
        self._said_tenth = 0
        self._durations: dict[tuple[str, str], float] = {}

    def start(self) -> None:
        """Begin; the first progress line is due `progress_seconds` from now."""
        self._said_at = self._clock()

    def keep_drawing(self) -> None:
        """Lines are written as things happen; nothing is drawn."""

    def handle(self, event: Event) -> None:
        """Take one event in and write what is to be said of it."""
        now = self._clock()
        self.progress.apply(event, now)
        match event:
            case RunStarted() if self._verbosity >= 0:
                self._write(f"{safe_line(event.suite)}, run {safe_line(event.run_id)}")
                if takes := say_start(event, Path.cwd()):
                    self._write(takes)
                if event.options.get(OWN_SERVER):  # that takes its time
                    self._say_waiting()
            case NodeJoined() if self._verbosity >= 0:
                told = say_capabilities(event.capabilities)
                self._write(
                    f"node {safe_line(event.node_id)}: {say_count(event.slots, 'slot')}{f', {told}' if told else ''}"
                )
            case EntryCollected() if self._verbosity >= 0:
                left_out = f", {event.deselected} deselected" if event.deselected else ""
                self._write(f"collected {say_count(event.items, 'test')} ({safe_line(event.entry)}){left_out}")
            case NodeLost():
                self._write(f"node {safe_line(event.node_id)} lost: {safe_line(event.why)}")
            case RunNote() if self._verbosity >= 0:
                self._write(f"note: {safe_line(event.text)}")
            case AttemptFinished():
                self._durations[event.result.key] = event.result.duration
            case TestClosed():
                if not is_not_run(event):  # of these hundreds come at once, and are one line of the summary
                    self._say_test(event)
                    self.tick()

    def tick(self) -> None:
        """Write the progress line if it is due: for who waits long for the next event."""
        progress, now = self.progress, self._clock()
        if self._verbosity < 0:
            return
        if progress.waits_for:
            if now - self._said_at >= min(self._progress_seconds, _WAITING_SECONDS):
                self._said_at = now
                self._say_waiting(f"; {say_clock(progress.elapsed(now))} elapsed")
            return
        if not progress.total or (progress.tally.not_run and not progress.tally.total):
            return  # nothing has begun, and perhaps nothing will
        tenth = 10 * progress.done // progress.total
        waited = now - self._said_at
        if waited < self._progress_seconds and not (tenth > self._said_tenth and waited >= 1.0):
            return
        self._said_at, self._said_tenth = now, tenth
        left = progress.seconds_left(now)
        counts = ", ".join(words for _, words in progress.tally.words(short=True))
        parts = [f"{progress.done}/{progress.total} tests", counts, f"{say_clock(progress.elapsed(now))} elapsed"]
        if left:
            parts.append(f"about {say_clock(left)} left")
        self._write("; ".join(part for part in parts if part))

    def _say_waiting(self, elapsed: str = "") -> None:
        if waits_for := self.progress.waits_for:
            self._write(f"waiting for {waits_for}{elapsed}")

    def stop(self) -> None:
        """End; every line was flushed as it was written."""

    def _say_test(self, closed: TestClosed) -> None:
        duration = self._durations.pop((closed.test_id, closed.variant), None)
        bad = closed.status in (Status.FAILED, Status.ERROR)
        if not bad and self._verbosity < 1:
            return
        place = f" on {safe_line(closed.node_id)}" if closed.node_id else ""
        lasted = f" in {say_seconds(duration)}" if duration is not None else ""
        tries = f", {closed.attempts} attempts" if closed.attempts > 1 else ""
        word, _, why = say_verdict(closed).partition(" ")
        told = f"{place}{lasted}{tries}{f' {why}' if why else ''}"
        self._write(f"{word.upper():<7} {say_test(closed.test_id, closed.variant)}{told}")
        for line in gist(closed.error or "", _ERROR_LINES) if bad else ():
            self._write(f"        {line}")

    def _write(self, line: str) -> None:
        if self._gone:
            return
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._stream.flush()
        except OSError:
            self._gone = True
