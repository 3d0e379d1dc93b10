"""One verdict for one item, out of the reports of its phases and in pytest's own categories."""

from __future__ import annotations

import doctest
import math
import numbers
from typing import Any

import pytest

#: Text of one kind is cut to this many characters, the middle taken out.
LONGEST_TEXT = 64 * 1024

#: The category that decides where several phases have one. A failure of the test itself
#: stays one when its teardown fails too.
_RANK = {"": 0, "passed": 1, "xpassed": 1, "skipped": 2, "xfailed": 2, "error": 3, "failed": 4}


class Verdict:
    """Takes in what pytest reports of the item that runs."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self.begin()

    def begin(self) -> None:
        """Forget the item before."""
        self._reports: list[tuple[str, Any]] = []
        self._exceptions: dict[str, BaseException] = {}

    def add(self, report: Any) -> None:
        """Take in the report of a phase; one of a new setup starts over, as a rerun does."""
        if report.when == "setup":
            self.begin()
        self._reports.append((self._category(report), report))

    def add_exception(self, when: str, exception: BaseException) -> None:
        """Take in what a phase raised."""
        self._exceptions[when] = exception

    def message(self) -> dict[str, Any]:
        """Status, reason, error, output, durations, properties: the result but for what was measured."""
        status, reason, error = self._decide()
        output = self._output()
        durations = [(report.when, report.duration) for _, report in self._reports]
        total = sum(seconds for _, seconds in durations)
        metrics, warnings = self._properties()
        return {
            "status": status,
            "reason": reason,
            "error": None if error is None else clip(error),
            "output": clip(output),
            "output_bytes": len(output.encode("utf-8", "replace")),
            "duration": total,
            "response_time": sum(seconds for when, seconds in durations if when == "call") or total,
            "metrics": metrics,
            "warnings": warnings,
        }

    def _category(self, report: Any) -> str:
        hook = self._config.hook.pytest_report_teststatus
        category = str(hook(report=report, config=self._config)[0])
        if category in _RANK:
            return category
        if category.startswith("subtests "):
            return ""
        return report.outcome if report.outcome in ("passed", "failed", "skipped") else ""

    def _decide(self) -> tuple[str, str | None, str | None]:
        if not self._reports:
            return "error", "internal", "pytest reported nothing of this item"
        category, report = max(self._reports, key=lambda entry: _RANK[entry[0]])
        if category == "failed":
            return "failed", self._reason_of_failure(), self._failures()
        if category == "error":
            return "error", "setup", self._failures()
        if category == "skipped":
            return "skipped", "skip", reason_of_skip(report)
        if category == "xfailed":
            return "skipped", "xfail", str(getattr(report, "wasxfail", "") or "expected to fail")
        return "passed", None, None

    def _reason_of_failure(self) -> str:
        exception = self._exceptions.get("call")
        return "assertion" if exception is None or is_assertion(exception) else "exception"

    def _failures(self) -> str:
        # What decided comes last: where there is room for few lines, they are the last ones.
        return "\n\n".join(
            f"at {report.when}:\n{report.longreprtext}" if report.when != "call" else report.longreprtext
            for category, report in sorted(self._reports, key=lambda entry: _RANK[entry[0]])
            if category in ("failed", "error")
        )

    def _output(self) -> str:
        if not self._reports:
            return ""
        return "\n".join(f"----- {title} -----\n{text}" for title, text in self._reports[-1][1].sections if text)

    def _properties(self) -> tuple[dict[str, float], list[str]]:
        metrics: dict[str, float] = {}
        warnings: list[str] = []
        properties = self._reports[-1][1].user_properties if self._reports else []
        for name, value in properties:
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                continue
            if math.isfinite(value):
                metrics[str(name)] = float(value)
            else:
                warnings.append(f"the property {name!r} is {value}: a metric is a finite number")
        return metrics, warnings


def is_assertion(exception: BaseException) -> bool:
    """Whether this is a test's own way to say no, and not an accident."""
    failures = getattr(exception, "failures", None)
    if failures is not None and type(exception).__name__ == "MultipleDoctestFailures":
        return all(isinstance(failure, doctest.DocTestFailure) for failure in failures)
    return isinstance(exception, (AssertionError, pytest.fail.Exception, doctest.DocTestFailure))


def reason_of_skip(report: Any) -> str:
    """What was given as the reason to skip, without pytest's own word before it."""
    if isinstance(report.longrepr, tuple):
        text = str(report.longrepr[2])
        return text[len("Skipped: ") :] if text.startswith("Skipped: ") else text
    return str(report.longreprtext) or "skipped"


def clip(text: str) -> str:
    """At most `LONGEST_TEXT` characters of a text, its middle left out."""
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
