"""What plug-ins print at the end of a session, without the parts of the summary that are pytest's own."""

from __future__ import annotations

import io
import os
import re
from typing import Any, List

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
_CODES = re.compile(r"\x1b\[[0-9;]*m")


class LastWords:
    """Takes what is written to the terminal from the end of the tests on."""

    def __init__(self) -> None:
        self._heard = io.StringIO()
        self._noted: List[str] = []

    def silence(self, reporter: Any) -> None:
        """While tests run: let nothing be written, which nobody reads."""
        if reporter is not None:
            reporter._tw._file = open(os.devnull, "w")  # noqa: SIM115 as long as the process
            reporter._show_progress_info = False

    def listen(self, reporter: Any) -> None:
        """From here on: keep what is written."""
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

    def text(self) -> str:
        """What was written, without colours and empty lines around it."""
        return "\n".join(part for part in (_CODES.sub("", self._heard.getvalue()).strip("\n"), self.noted) if part)


def _say_nothing(*_arguments: Any, **_options: Any) -> None:
    return None
