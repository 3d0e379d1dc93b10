"""The run on a terminal as it goes: a picture that is redrawn, and above it what is worth keeping.

Events come from the run's event loop, drawing happens on a thread of its own. `handle`
only counts and queues; one lock, held for microseconds, guards what both touch.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group
from rich.live import Live
from rich.text import Text

from pulseq.events import Event, NodeLost, RunNote, RunStarted, TestClosed
from pulseq.models import Status
from pulseq.reports.frame import draw_frame
from pulseq.reports.node_lines import ASCII, Glyphs
from pulseq.reports.progress import RunProgress
from pulseq.reports.sections import fit
from pulseq.reports.start_line import say_start
from pulseq.reports.verdicts import is_not_run
from pulseq.reports.wording import STYLES, say_test, say_verdict
from pulseq.safe_text import gist, safe_line

_REDRAW_SECONDS = 0.1
_ERROR_LINES = 3
_KEPT_AT_ONCE = 20


class LiveView:
    """Shows a run on a terminal: `start`, `keep_drawing` once threads may be, `handle` every event, then `stop`.

    `handle` may be called from any one thread; once `keep_drawing` was called it never waits for the terminal. It
    raises what drawing has run into since the last event.
    Where the terminal goes away, drawing ends and the run does not notice (given a
    `Terminal` as its console; rich's own ends the program).
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.progress = RunProgress()
        self._console = console
        self._clock = clock
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._above: list[Text] = []
        self._dropped = 0
        self._trouble: Exception | None = None
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            get_renderable=lambda: self,
            # What others print goes above the picture; but a pipe on stdout is for the results, and left alone.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )
        self._thread = threading.Thread(target=self._draw_until_done, name="pulseq-live-view", daemon=True)

    def start(self) -> None:
        """Draw the first picture; until `keep_drawing`, for want of a thread, only an event changes it."""
        with contextlib.suppress(OSError):
            self._live.start()
            self._redraw()

    def keep_drawing(self) -> None:
        """Draw again and again from now on."""
        if self._live.is_started:
            self._thread.start()

    def handle(self, event: Event) -> None:
        """Take one event in; it shows at the next redrawing, a tenth of a second later at most."""
        now = self._clock()
        with self._lock:
            self.progress.apply(event, now)
            match event:
                case RunStarted() if takes := say_start(event, Path.cwd()):
                    self._keep(Text(takes, STYLES["quiet"], overflow="fold"))
                case TestClosed(status=Status.FAILED | Status.ERROR) if not is_not_run(event):
                    self._keep(_failure(event))
                case NodeLost():
                    told = f"node {safe_line(event.node_id)} lost: {safe_line(event.why)}"
                    self._keep(Text(told, STYLES["error"]))
                case RunNote():
                    self._keep(Text(f"note: {safe_line(event.text)}", STYLES["note"]))
        if self._live.is_started and not self._thread.ident:
            with contextlib.suppress(OSError):
                self._redraw()
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    def tick(self) -> None:
        """Nothing is due by the clock but the picture."""

    def stop(self) -> None:
        """Draw what is still to be kept, take the picture off the terminal, and give it back."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(OSError):
            try:
                self._redraw()
            finally:
                self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The picture of this moment, for the terminal as it is now: what rich asks for at each redrawing."""
        yield Text()
        # A third of the terminal is left for what is printed above the picture.
        height = max(2 * console.size.height // 3, 1)
        yield from self.lines(options.max_width, height, ASCII if options.ascii_only else Glyphs())

    def lines(self, width: int, height: int, glyphs: Glyphs) -> list[Text]:
        """The picture of this moment; without one what is to be kept above it is told all the same."""
        with self._lock:
            still = not self._thread.is_alive() and not self._done.is_set()
            try:
                return list(draw_frame(self.progress, self._clock(), width, height, glyphs, still=still))
            except Exception as error:  # noqa: BLE001 - whatever it is, the run has it among its notes
                self._trouble = error
                return []

    def _keep(self, line: Text) -> None:
        if len(self._above) < _KEPT_AT_ONCE:
            self._above.append(line)
        else:
            self._dropped += 1

    def _draw_until_done(self) -> None:
        while not self._done.wait(_REDRAW_SECONDS):
            try:
                self._redraw()
            except OSError:
                return
            except Exception as error:  # noqa: BLE001 - as with the picture
                self._trouble = error

    def _redraw(self) -> None:
        with self._lock:
            above, self._above = self._above, []
            dropped, self._dropped = self._dropped, 0
        if dropped:
            above.append(Text(f"… and {dropped} more, see the summary", STYLES["quiet"]))
        if above:
            self._console.print(Group(*above))
        else:
            self._live.refresh()


def _failure(closed: TestClosed) -> Text:
    text = Text(overflow="fold")
    text.append(say_verdict(closed), STYLES[closed.status.value])
    if closed.node_id:
        text.append(f" on {fit(safe_line(closed.node_id), 24)}", STYLES["quiet"])
    text.append(f"  {say_test(closed.test_id, closed.variant)}", STYLES["name"])
    for line in gist(closed.error or "", _ERROR_LINES):
        text.append(f"\n    {line}")
    return text
