"""What plug-ins print at the end of a session, without the parts of the summary that are pytest's own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from typing import Any, Dict, List, Tuple

from . import blotting
from .output import read_file
from .pytest_fork import redirect_output

#: Parts that tell again what each test's own report tells, by their names in pytest's terminal reporter.
_OWN_PARTS = (
    "summary_errors",
    "summary_failures",
    "summary_failures_combined",
    "summary_xfailures",
    "summary_warnings",
    "summary_passes",
    "summary_passes_combined",
    "summary_xpasses",
    "short_test_summary",
    "summary_stats",
    "_report_keyboardinterrupt",
)
#: Categories that are counted of tests' own results, or are none.
_COUNTED = (
    *("", "passed", "failed", "error", "skipped", "deselected", "xfailed", "xpassed", "warnings", "rerun"),
    *("subtests passed", "subtests failed", "subtests skipped"),
)
_CODES = re.compile(r"\x1b\[[0-9;]*m")


class LastWords:
    """Takes what is written to the terminal from the end of the tests on."""

    def __init__(self) -> None:
        self._heard = io.StringIO()
        self._noted: List[str] = []
        self._printed: Any = None
        self._reporter: Any = None

    def keep_printed(self, config: Any) -> None:
        """From here on: keep what plug-ins print by themselves, past the terminal reporter."""
        self._printed = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 as long as the process
        sys.stdout.flush()
        sys.stderr.flush()
        # What pytest captures itself it reads, and empties, again and again.
        with tempfile.TemporaryFile(buffering=0) as captured:
            redirect_output(config, self._printed.fileno(), (captured.fileno(), captured.fileno()))

    def silence(self, reporter: Any) -> None:
        """While tests run: let pytest tell nothing, which nobody reads."""
        if reporter is not None:
            reporter._tw._file = open(os.devnull, "w")  # noqa: SIM115 as long as the process
            reporter._show_progress_info = False

    def listen(self, reporter: Any) -> None:
        """From here on: keep what is written."""
        self._reporter = reporter
        if reporter is None:
            return
        reporter._tw._file.close()
        reporter._tw._file = self._heard
        reporter._tw.hasmarkup = False
        for name in _OWN_PARTS:
            if hasattr(reporter, name):
                setattr(reporter, name, _say_nothing)

    def note(self, text: str) -> None:
        """Keep the words of an internal error."""
        self._noted.append(text)

    @property
    def noted(self) -> str:
        return "\n".join(self._noted)

    def categories(self) -> List[Tuple[str, int]]:
        """The categories that plug-ins have made up, each with how many reports pytest would count in it."""
        stats: Dict[str, List[Any]] = getattr(self._reporter, "stats", {})
        counts = {
            name: sum(bool(getattr(report, "count_towards_summary", True)) for report in reports)
            for name, reports in stats.items()
            if name not in _COUNTED
        }
        return [(blotting.blot(str(name)), count) for name, count in counts.items() if count]

    def text(self) -> str:
        """What was written, without colours and empty lines around it."""
        parts = (self._say_printed(), self._heard.getvalue(), self.noted)
        return "\n".join(part for part in (_CODES.sub("", text).strip("\n") for text in parts) if part)

    def _say_printed(self) -> str:
        if self._printed is None:
            return ""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        return read_file(self._printed.fileno(), blotting.current())


def _say_nothing(*_arguments: Any, **_options: Any) -> None:
    return None
