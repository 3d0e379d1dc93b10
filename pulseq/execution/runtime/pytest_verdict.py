"""One verdict for one item, out of the reports of its phases and in pytest's own categories."""

from __future__ import annotations

import doctest
import math
import numbers
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from _pytest import junitxml

from .blotting import blot
from .pytest_sender import warning_text

#: Text of one kind is cut to this many characters, the middle taken out.
LONGEST_TEXT = 64 * 1024

#: Characters of the one line that says why a test failed.
LONGEST_LINE = 1_000
_MOST_WARNINGS = 100
_MOST_PROPERTIES = 100

#: The category that decides where several phases have one. A failure of the test itself
#: stays one when its teardown fails too.
_RANK = {"": 0, "passed": 1, "xpassed": 1, "skipped": 2, "xfailed": 2, "error": 3, "failed": 4}


class ItemVerdict:
    """Takes in what pytest reports of the item that runs; also a plug-in that hears of its warnings."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self.recorder = Recorder.put_into(config)
        self.begin()

    def begin(self) -> None:
        """Forget the item before."""
        self._start_over()
        self._reruns: List[Dict[str, Any]] = []
        self._subtests: Dict[str, int] = {}
        self._warnings: List[Dict[str, str]] = []
        self.recorder.attributes.clear()

    def _start_over(self) -> None:
        self._reports: List[Tuple[str, Any]] = []
        self._exceptions: Dict[str, BaseException] = {}

    def add(self, report: Any) -> None:
        """Take in the report of a phase; one of a new setup starts over, as a rerun does."""
        if hasattr(report, "context"):
            word = _subtest_word(report)
            self._subtests[word] = self._subtests.get(word, 0) + 1
        if report.when == "setup":
            self._start_over()
        if report.outcome == "rerun":
            self._reruns.append(self._rerun(report))
        self._reports.append((self._category(report), report))

    def add_exception(self, when: str, exception: BaseException) -> None:
        """Take in what a phase raised."""
        self._exceptions[when] = exception

    def pytest_warning_recorded(self, warning_message: Any, when: str) -> None:
        if when == "runtest" and len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(warning_text(warning_message, when))

    def message(self, seconds: float) -> Dict[str, Any]:
        """Status, reason, error, output, durations, properties: the result but for what was measured.

        Args:
            seconds: what the whole took, by a clock that no test can stop.
        """
        status, reason, error = self._decide()
        output = self._output()
        metrics, warnings = self._metrics()
        category, decided = self._deciding()
        call = sum(report.duration for _, report in self._reports if report.when == "call")
        return {
            "status": status,
            "reason": reason,
            "error": None if error is None else clip(error),
            "short": short_line(decided.longrepr) if category in ("failed", "error") else None,
            "output": clip(output),
            "output_bytes": len(output.encode("utf-8", "replace")),
            "duration": seconds,
            "response_time": call if 0 < call <= seconds else seconds,
            "metrics": metrics,
            "warnings": warnings,
            "pytest_warnings": self._warnings,
            "xpassed": str(getattr(decided, "wasxfail", "")) if category == "xpassed" else None,
            "properties": self._properties(),
            "subtests": self._subtests,
            "reruns": self._reruns,
        }

    def of_unknown(self, name: str) -> Dict[str, Any]:
        """The verdict on an item that this worker did not collect."""
        return {
            "status": "error",
            "reason": "setup",
            "error": f"pytest collected no item {name!r} in this worker",
            "output": "",
            "output_bytes": 0,
            "duration": 0.0,
            "response_time": 0.0,
            "metrics": {},
            "warnings": [],
            "memory": 0.0,
            "cpu": 0.0,
        }

    def _rerun(self, report: Any) -> Dict[str, Any]:
        own = report.when == "call"
        return {
            "status": "failed" if own else "error",
            "reason": self._reason_of_failure() if own else "setup",
            "error": clip(report.longreprtext),
            "short": short_line(report.longrepr),
            "output": clip(_sections(report)),
            "duration": max(0.0, sum(one.duration for _, one in self._reports) + report.duration),
            "started_at": getattr(report, "start", 0.0),
        }

    def _category(self, report: Any) -> str:
        if hasattr(report, "context") and not report.failed:
            return ""  # a part of a test that was skipped leaves the test what it is
        hook = self._config.hook.pytest_report_teststatus
        told = hook(report=report, config=self._config)  # None by nobody, without pytest's terminal reporter
        category = str((told or [report.outcome])[0])
        if category in _RANK:
            return category
        if category.startswith("subtests "):
            return ""
        return report.outcome if report.outcome in ("passed", "failed", "skipped") else ""

    def _decide(self) -> Tuple[str, Optional[str], Optional[str]]:
        if not self._reports:
            return "error", "internal", "pytest reported nothing of this item"
        category, report = self._deciding()
        if category == "failed":
            return "failed", self._reason_of_failure(), self._failures()
        if category == "error":
            return "error", "setup", self._failures()
        if category == "skipped":
            return "skipped", "skip", reason_of_skip(report)
        if category == "xfailed":
            return "skipped", "xfail", str(getattr(report, "wasxfail", "") or "expected to fail")
        return "passed", None, None

    def _deciding(self) -> Tuple[str, Any]:
        """The category that decides, and the report that has it."""
        return max(self._reports, key=lambda entry: _RANK[entry[0]], default=("", None))

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
        return _sections(self._reports[-1][1])

    def _metrics(self) -> Tuple[Dict[str, float], List[str]]:
        metrics: Dict[str, float] = {}
        warnings: List[str] = []
        for name, value in self._recorded():
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                continue
            if math.isfinite(value):
                metrics[str(name)] = float(value)
            else:
                warnings.append(f"the property {name!r} is {value}: a metric is a finite number")
        return metrics, warnings

    def _recorded(self) -> List[Tuple[Any, Any]]:
        return list(self._reports[-1][1].user_properties) if self._reports else []

    def _properties(self) -> List[List[str]]:
        found = [["property", str(name), str(value)] for name, value in self._recorded()]
        found += [["attribute", name, value] for name, value in self.recorder.attributes]
        return [[kind, blot(name, 0, LONGEST_TEXT), clip(value)] for kind, name, value in found[:_MOST_PROPERTIES]]


class Recorder:
    """Stands where pytest's fixtures look for the writer of a JUnit file, which a worker does not have.

    Attributes:
        attributes: what `record_xml_attribute` recorded lately.
        on_suite_property: called with what `record_testsuite_property` records.
    """

    family = "xunit1"

    def __init__(self) -> None:
        self.attributes: List[Tuple[str, str]] = []
        self.on_suite_property: Callable[[str, str], None] = lambda name, value: None

    @classmethod
    def put_into(cls, config: Any) -> "Recorder":
        """The one of a session, which is made where there is none."""
        key = getattr(junitxml, "xml_key", None)
        stash = getattr(config, "stash", None)
        recorder = cls()
        if key is not None and stash is not None and stash.get(key, None) is None:
            stash[key] = recorder
        return recorder

    def __bool__(self) -> bool:
        return False  # there is no file to be closed at the end

    def node_reporter(self, _report: Any) -> "Recorder":
        return self

    def add_attribute(self, name: str, value: object) -> None:
        self.attributes.append((str(name), str(value)))

    def add_global_property(self, name: str, value: object) -> None:
        self.on_suite_property(str(name), str(value))


def _subtest_word(report: Any) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return str(report.outcome)


def is_assertion(exception: BaseException) -> bool:
    """Whether this is a test's own way to say no, and not an accident."""
    failures = getattr(exception, "failures", None)
    if failures is not None and type(exception).__name__ == "MultipleDoctestFailures":
        return all(isinstance(failure, doctest.DocTestFailure) for failure in failures)
    return isinstance(exception, (AssertionError, pytest.fail.Exception, doctest.DocTestFailure))


def told_late(report: Any) -> Dict[str, Any]:
    """What a failed teardown adds to the result of the item that it is reported of."""
    error = clip(f"at teardown of a wider scope:\n{report.longreprtext}")
    return {"error": error, "short": short_line(report.longrepr), "output": clip(_sections(report))}


def _sections(report: Any) -> str:
    return "\n".join(f"----- {title} -----\n{text}" for title, text in report.sections if text)


def short_line(representation: Any) -> Optional[str]:
    """The line that pytest's short test summary has for a failure; None where that has but the test's name."""
    crash = getattr(representation, "reprcrash", None)
    said = str(getattr(crash, "message", "") or "").strip()
    return blot(said).splitlines()[0][:LONGEST_LINE] if said else None


def reason_of_skip(report: Any) -> str:
    """What was given as the reason to skip, without pytest's own word before it."""
    if isinstance(report.longrepr, tuple):
        text = str(report.longrepr[2])
        return text[len("Skipped: ") :] if text.startswith("Skipped: ") else text
    return str(report.longreprtext) or "skipped"


def clip(text: str) -> str:
    """At most `LONGEST_TEXT` characters of a text, its middle and its secrets left out."""
    text = blot(text)
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
