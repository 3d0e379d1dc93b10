"""The test cases of a JUnit file, from the events of a parser, in the dialects of the tools that write them.

The dialects are told in `docs/reference/junit.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pulseq.models import Status
from pulseq.node.junit_time import read_seconds

#: The name of what a suite says of itself as a whole.
WHOLE_SUITE = "[suite]"

_VERDICTS = {
    "failure": Status.FAILED,
    "error": Status.ERROR,
    "skipped": Status.SKIPPED,
    "disabled": Status.SKIPPED,
    "ignored": Status.SKIPPED,
}
_TRIES = {
    "flakyFailure": Status.FAILED,
    "flakyError": Status.ERROR,
    "rerunFailure": Status.FAILED,
    "rerunError": Status.ERROR,
}
_SUITES = frozenset({"testsuites", "testsuite"})
_OUTPUT = frozenset({"system-out", "system-err"})
_RANKS = {Status.PASSED: 0, Status.SKIPPED: 1, Status.FAILED: 2, Status.ERROR: 3}
#: What a case says of itself in `status` or `result`, where no element says more.
_SAID = {
    **dict.fromkeys(
        ("notrun", "not run", "not_run", "disabled", "skipped", "suppressed", "ignored", "inconclusive", "pending"),
        Status.SKIPPED,
    ),
    "untested": Status.SKIPPED,
    **dict.fromkeys(("fail", "failed", "failure"), Status.FAILED),
    **dict.fromkeys(("error", "errored", "broken"), Status.ERROR),
}
#: gotestsum has each run of a test as a case of its own; no two tests of a Go package have one name.
_GO = "go.version"
#: Catch2 has it in front of failures that it takes for none.
_MAY_FAIL = "TEST_CASE tagged with !mayfail"


class NoJunitFileError(ValueError):
    """What is read is no JUnit file; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class JunitTry:
    """A run of a test case before the one that decides; `time` is in seconds."""

    status: Status
    message: str = ""
    text: str = ""
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class JunitCase:
    """One test case of a JUnit file.

    Attributes:
        time: seconds.
        text: what the failure said at length.
        suite: the name of the innermost suite that has one.
        tries: further runs that the tool made of it, in their order.
        warnings: what the tool remarked about it.
    """

    classname: str
    name: str
    time: float
    status: Status
    message: str = ""
    text: str = ""
    output: str = ""
    suite: str = ""
    tries: tuple[JunitTry, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Heard:
    """What has been said so far of a case, a try or a suite, the worst first."""

    status: Status = Status.PASSED
    message: str = ""
    text: list[str] = field(default_factory=list)
    #: Whether an element has said it, and not an attribute.
    told: bool = False
    #: Whether the tool counts no failure of it.
    may_fail: bool = False

    def hear(self, status: Status, attributes: dict[str, str]) -> list[str] | None:
        """Take in an element; returns where its text goes, None where worse was said before."""
        if self.may_fail:
            return self.text
        self.may_fail = status is Status.SKIPPED and attributes.get("message") == _MAY_FAIL
        if self.told and _RANKS[status] < _RANKS[self.status]:
            return None
        if not self.told or _RANKS[status] > _RANKS[self.status]:
            self.message = ""
            self.text = []
        self.status, self.told = status, True
        self.message = self.message or attributes.get("message", "") or attributes.get("type", "")
        return self.text

    @property
    def said(self) -> str:
        return "".join(self.text).strip()


@dataclass(slots=True)
class _OpenCase:
    attributes: dict[str, str]
    suite: str
    verdict: _Heard
    #: Each with what it says of its time.
    tries: list[tuple[_Heard, str]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    warnings: list[list[str]] = field(default_factory=list)

    @property
    def classname(self) -> str:
        return self.attributes.get("classname", self.suite)

    @property
    def name(self) -> str:
        return self.attributes.get("name", "")


@dataclass(slots=True)
class _OpenSuite:
    name: str
    attributes: dict[str, str]
    verdict: _Heard = field(default_factory=_Heard)
    cases: int = 0
    #: Cases that went wrong, at least at first.
    bad: int = 0


@dataclass(frozen=True, slots=True)
class _Element:
    """An open element: where its text goes, and what ends with it."""

    tag: str
    text: list[str] | None = None
    ends: _OpenCase | _OpenSuite | None = None


class CaseBuilder:
    """Takes a parser's events and keeps what belongs to test cases; `cases` has those that have ended.

    Raises:
        NoJunitFileError: from `doctype` and `start`, for a document type and for a root of another kind.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._ended: list[_OpenCase] = []
        self._open: list[_Element] = []
        self._suites: list[_OpenSuite] = []
        self._case: _OpenCase | None = None
        self._go = False
        self._playwright = False

    def cases(self) -> list[JunitCase]:
        """The cases that have ended so far, and what suites that have ended say of themselves."""
        times = [case.attributes.get("time", "") for case in self._ended]
        tried = [time for case in self._ended for _, time in case.tries]
        seconds = read_seconds([*times, *tried])
        of_tries = iter(seconds[len(times) :])
        cases = []
        for case, time in zip(self._ended, seconds, strict=False):
            tries = tuple(JunitTry(one.status, one.message, one.said, next(of_tries)) for one, _ in case.tries)
            cases.append(_finished(case, time, tries))
        return _fold_runs(cases) if self._go else cases

    @property
    def unfinished(self) -> str | None:
        """The case that the file has begun and not ended."""
        case = self._case
        return "::".join(part for part in (case.classname, case.name) if part) if case else None

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise NoJunitFileError(f"{self._path}: has a document type ({name!r}); a JUnit file without one is expected")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition("}")[2]
        if not self._open and tag not in _SUITES:
            raise NoJunitFileError(
                f"{self._path}: its root is {tag!r}; 'testsuites' or 'testsuite' is expected, "
                "so have the glob leave this file out"
            )
        parent = self._open[-1] if self._open else _Element("")
        self._open.append(self._start(parent, tag, attributes))

    def data(self, text: str) -> None:
        if self._open and (into := self._open[-1].text) is not None:
            into.append(text)

    def end(self, tag: str) -> None:
        match self._open.pop().ends:
            case _OpenCase() as case:
                self._end_case(case)
            case _OpenSuite() as suite:
                self._suites.pop()
                self._end_suite(suite)

    def close(self) -> None:
        """The file's end; the cases are in `cases`."""

    def _start(self, parent: _Element, tag: str, attributes: dict[str, str]) -> _Element:
        if parent.text is not None:
            # What a try wrote is no part of what went wrong.
            return _Element(tag, None if parent.tag in _TRIES and tag in _OUTPUT else parent.text)
        if self._case:
            return _Element(tag, self._start_within(self._case, tag, attributes) if parent.ends else None)
        if tag in _SUITES:
            self._playwright = self._playwright or (tag == "testsuites" and {"id", "name"} <= attributes.keys())
            self._suites.append(_OpenSuite(attributes.get("name", ""), attributes))
            return _Element(tag, ends=self._suites[-1])
        if tag == "testcase":
            said = {attributes.get("status", "").lower(), attributes.get("result", "").lower()}
            status = max((_SAID[one] for one in said if one in _SAID), key=_RANKS.__getitem__, default=Status.PASSED)
            self._case = _OpenCase(self._with_project(attributes), self._suite_name(), _Heard(status))
            return _Element(tag, ends=self._case)
        if tag in _VERDICTS and parent.tag == "testsuite":
            return _Element(tag, self._suites[-1].verdict.hear(_VERDICTS[tag], attributes))
        if tag == "property" and attributes.get("name") == _GO:
            self._go = True
        return _Element(tag)

    def _start_within(self, case: _OpenCase, tag: str, attributes: dict[str, str]) -> list[str] | None:
        if tag in _OUTPUT:
            return case.output
        if tag in _VERDICTS:
            status = Status.ERROR if tag == "skipped" and _could_not_run(case, attributes) else _VERDICTS[tag]
            return case.verdict.hear(status, attributes)
        if tag in _TRIES:
            case.tries.append((_Heard(), attributes.get("time", "")))
            return case.tries[-1][0].hear(_TRIES[tag], attributes)
        if tag == "warning":
            case.warnings.append([attributes.get("message", "") or attributes.get("type", ""), "\n"])
            return case.warnings[-1]
        return None

    def _with_project(self, attributes: dict[str, str]) -> dict[str, str]:
        """The attributes of a case, its name with the project in front, where Playwright does not put it there itself.

        Playwright runs each test in each of its projects (browsers), and names a suite's project as its host.
        """
        suite = self._suites[-1].attributes if self._playwright and self._suites else {}
        project, name = suite.get("hostname"), attributes.get("name", "")
        if not project or attributes.get("classname") != suite.get("name") or name.startswith(f"[{project}] "):
            return attributes
        return {**attributes, "name": f"[{project}] {name}"}

    def _suite_name(self) -> str:
        return next((suite.name for suite in reversed(self._suites) if suite.name), "")

    def _end_case(self, case: _OpenCase) -> None:
        self._ended.append(case)
        self._case = None
        for suite in self._suites[-1:]:
            suite.cases += 1
            suite.bad += case.verdict.status in (Status.FAILED, Status.ERROR) or bool(case.tries)

    def _end_suite(self, suite: _OpenSuite) -> None:
        name = suite.name or self._suite_name()
        if verdict := _verdict_of(suite):
            self._ended.append(_OpenCase({"classname": name, "name": WHOLE_SUITE}, name, verdict))
            suite.cases += 1
            suite.bad += verdict.status in (Status.FAILED, Status.ERROR)
        for outer in self._suites[-1:]:
            outer.cases += suite.cases
            outer.bad += suite.bad


def _could_not_run(case: _OpenCase, skipped: dict[str, str]) -> bool:
    """Whether ctest says that it could not run a test, for which it fails: no program, or its fixture has failed."""
    message = skipped.get("message", "")
    is_ctests = case.attributes.get("status") == "notrun" and case.classname == case.name
    return is_ctests and bool(message) and not message.startswith(("SKIP_", "Disabled"))


def _verdict_of(suite: _OpenSuite) -> _Heard | None:
    """What a suite says that none of its cases does: by an element of its own, or by its numbers alone."""
    verdict = suite.verdict
    if verdict.status in (Status.FAILED, Status.ERROR) or (verdict.told and not suite.cases):
        return verdict
    # Tools count in many ways (assertions, cases twice, first tries): only what no case accounts for tells anything.
    for name, status in (("errors", Status.ERROR), ("failures", Status.FAILED)):
        if (count := _count(suite.attributes, name)) and not suite.bad:
            return _Heard(status, f"the suite says {name}={count}, and none of its cases says which")
    for name in ("skipped", "skip", "ignored", "disabled"):
        if (count := _count(suite.attributes, name)) and not suite.cases:
            return _Heard(Status.SKIPPED, f"the suite says {name}={count}, and has no case")
    return None


def _count(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _finished(case: _OpenCase, time: float, tries: tuple[JunitTry, ...]) -> JunitCase:
    verdict = case.verdict
    warnings = tuple("".join(warning).strip() for warning in case.warnings)
    return JunitCase(
        case.classname,
        case.name,
        time,
        verdict.status,
        verdict.message,
        verdict.said,
        "".join(case.output).strip(),
        case.suite,
        tries,
        warnings,
    )


def _fold_runs(cases: list[JunitCase]) -> list[JunitCase]:
    """Cases of one name as runs of one test, the last of which decides."""
    last: dict[tuple[str, str, str], JunitCase] = {}
    for case in cases:
        key = (case.suite, case.classname, case.name)
        if earlier := last.get(key):
            run = JunitTry(earlier.status, earlier.message, earlier.text, earlier.time)
            case = replace(case, tries=(*earlier.tries, run, *case.tries))
        last[key] = case
    return list(last.values())
