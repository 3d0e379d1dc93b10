"""The JUnit files that a command left behind on its node, as results of tests."""

from __future__ import annotations

import glob
import os

from pulseq.bounds import MOST_ERROR_CHARACTERS, bound_text
from pulseq.engine.work import CasesFound
from pulseq.models import AttemptResult, CommandBody, Reason, Status, TestCase
from pulseq.reports.read_junit import JunitCase, JunitFileError, read_junit

_REASONS = {Status.FAILED: Reason.ASSERTION, Status.ERROR: Reason.EXCEPTION, Status.SKIPPED: Reason.SKIP}
#: File systems keep times to the second or two; a file of an earlier run is older than that.
_MTIME_SLACK_SECONDS = 2.0


def find_cases(test: TestCase, result: AttemptResult) -> CasesFound:
    """The cases in the files that match the test's `junit` glob and that this attempt wrote.

    A case's id is `test id::classname::name`; its numbers beyond its time are unknown, so it has no
    CPU or memory metrics of its own.
    """
    assert isinstance(test.body, CommandBody)
    pattern = os.path.join(glob.escape(test.cwd), test.body.junit or "")
    paths = [path for path in sorted(glob.glob(pattern, recursive=True)) if _is_new(path, result.started_at)]
    if not paths:
        return CasesFound(test.id, test.variant, (), f"no file written by this attempt matches {test.body.junit!r}")
    try:
        cases = read_junit(paths)
    except JunitFileError as error:
        return CasesFound(test.id, test.variant, (), str(error))
    seen: dict[str, int] = {}
    results = tuple(_result_of(test, result, case, seen) for case in cases)
    return CasesFound(test.id, test.variant, results, None if results else "the JUnit files hold no test case")


def _is_new(path: str, started_at: float) -> bool:
    try:
        return os.path.getmtime(path) >= started_at - _MTIME_SLACK_SECONDS
    except FileNotFoundError:  # a link to nowhere, or gone since it was found
        return False


def _result_of(test: TestCase, result: AttemptResult, case: JunitCase, seen: dict[str, int]) -> AttemptResult:
    case_id = "::".join(part for part in (test.id, case.classname, case.name or "unnamed") if part)
    return AttemptResult(
        _tell_apart(case_id, seen),
        result.attempt,
        result.node_id,
        case.status,
        test.variant,
        _REASONS.get(case.status),
        started_at=result.started_at,
        duration=case.time,
        error=bound_text("\n".join(part for part in (case.message, case.text) if part), MOST_ERROR_CHARACTERS) or None,
        metrics={"duration": case.time, "response_time": case.time},
    )


def _tell_apart(name: str, seen: dict[str, int]) -> str:
    """The name itself, or the name and a number that nothing has yet; `seen` counts each name."""
    unique = name
    while unique in seen:
        seen[name] += 1
        unique = f"{name}#{seen[name]}"
    seen[unique] = 1
    return unique
