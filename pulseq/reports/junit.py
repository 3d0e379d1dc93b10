"""A run as JUnit XML, in pytest's xunit2 dialect with Surefire's words for reruns.

One test case per test and variant. A test that passed after it had failed carries
each failed attempt as `flakyFailure` or `flakyError`; one that failed to the end
carries its last attempt as `failure` or `error` and those before it as
`rerunFailure` or `rerunError`. Attempts lost to the infrastructure are none of these.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import RunRecord, TestRecord
from pulseq.reports.case_names import name_case, tell_apart
from pulseq.reports.left_behind import ArtifactPlace, say_attachments
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.verdicts import ClosedTest, is_not_run
from pulseq.safe_text import gist, xml_attribute, xml_characters, xml_text

_MESSAGE_LINES = 3
#: Names that every parser takes for an attribute: no prefix of a namespace, none of those that XML keeps for itself.
_ATTRIBUTE = re.compile(r"(?!xml)[a-z_][a-z0-9_.-]*", re.IGNORECASE)
_TAGS = {Status.FAILED: "Failure", Status.ERROR: "Error"}


def write_junit(
    record: RunRecord,
    stream: BinaryIO,
    *,
    hostname: str | None = None,
    whole: Callable[[TestRecord], TestRecord] = lambda test: test,
    place: ArtifactPlace | None = None,
) -> None:
    """Write the closed tests of a run to `stream`, case by case, as UTF-8.

    Args:
        record: the run; tests without a verdict are left out.
        stream: takes bytes; not closed.
        hostname: of the machine that drove the run; this one's by default.
        place: where artifacts are, and where whoever reads the report has the paths of its attachments begin.
        whole: gives a test of a record that leaves out what its attempts said with just that.
    """
    run = RunDigest(record)
    suite = record.started.suite if record.started else "pulseq"
    stream.write(_head(run, suite, hostname or platform.node()).encode())
    names = tell_apart(
        [_name(one.record, suite) for one in run.tests], [xml_characters(one.closed.test_id) for one in run.tests]
    )
    for one, name in zip(run.tests, names, strict=True):
        attached = list(say_attachments(run.left_by(one.key), place))
        stream.write("".join(_case(ClosedTest(whole(one.record), one.closed), name, attached)).encode())
    stream.write("".join([*_output(_of_entries(run, place)), "</testsuite></testsuites>\n"]).encode())


def _of_entries(run: RunDigest, place: ArtifactPlace | None) -> list[str]:
    """The attachments of what became tests of their own, and is no case itself."""
    entries = (kept for key, kept in run.left_elsewhere if key not in run.record.tests)
    return [line for kept in entries for line in say_attachments(kept, place)]


def _output(parts: Iterable[str]) -> Iterator[str]:
    if text := "\n".join(parts):
        yield f"<system-out>{xml_text(text)}</system-out>"


def _head(run: RunDigest, suite: str, hostname: str) -> str:
    record, tally = run.record, run.tally
    began = datetime.fromtimestamp(record.started.started_at if record.started else 0, UTC)
    seconds = record.finished.wall_seconds if record.finished else 0.0
    attributes = {
        "name": suite,
        "errors": str(tally.errors),
        "failures": str(tally.failed),
        "skipped": str(tally.skipped + tally.not_run),  # the format has no other word for what was not run
        "tests": str(tally.closed),
        "time": f"{seconds:.3f}",
        "timestamp": began.isoformat(),
        "hostname": hostname,
    }
    told = {"run_id": record.started.run_id} if record.started else {}
    if record.prefect and record.prefect.url:
        told["prefect_url"] = record.prefect.url
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="pulseq tests">{_open("testsuite", attributes)}'
    recorded = [pair for session in record.sessions.values() for pair in session.properties]
    return head + "".join(_properties([*told.items(), *recorded]))


def _name(test: TestRecord, suite: str) -> tuple[str, str]:
    """Class name and name; as in pytest's own report, what a test says of them counts."""
    classname, name = name_case(test.planned, suite)
    attributes, _ = _recorded(test.last.properties if test.last else ())
    # As it will be read: what XML cannot hold is alike in all of them.
    return xml_characters(attributes.get("classname", classname)), xml_characters(attributes.get("name", name))


def _case(test: ClosedTest, named: tuple[str, str], attached: list[str]) -> Iterator[str]:
    last = test.last
    seconds = last.duration if last else 0.0
    attributes, properties = _recorded(last.properties if last else ())
    # What a test says of its time does not count: that is measured.
    told = {**attributes, "classname": named[0], "name": named[1], "time": f"{seconds:.3f}"}
    yield _open("testcase", {"classname": "", "name": "", **told})
    yield from _properties([*_told(test).items(), *properties])
    yield from _verdict(test)
    output = [last.output] if last and last.output and test.closed.status is not Status.PASSED else []
    yield from _output([*output, *attached])
    yield "</testcase>\n"


def _recorded(properties: Iterable[tuple[str, str, str]]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """What a test recorded of itself, as attributes and as properties: an attribute that XML cannot name is one too."""
    attributes: dict[str, str] = {}
    others: list[tuple[str, str]] = []
    for kind, name, value in properties:
        if kind == "attribute" and _ATTRIBUTE.fullmatch(name):
            attributes[name] = value
        else:
            others.append((name, value))
    return attributes, others


def _told(test: ClosedTest) -> dict[str, str]:
    """What JUnit has no attribute for."""
    closed = test.closed
    told = {"test_id": closed.test_id, "attempts": str(closed.attempts)}
    if closed.node_id:
        told["node"] = closed.node_id
    if closed.variant:
        told["variant"] = closed.variant
    if closed.reason:
        told["reason"] = closed.reason.value
    if test.last:
        if test.last.simulated:
            told["simulated"] = "true"
        told |= {f"metrics.{name}": f"{value:g}" for name, value in test.last.metrics.items()}
    return told


def _verdict(test: ClosedTest) -> Iterator[str]:
    closed, error = test.closed, test.error
    if is_not_run(closed):
        yield _open("skipped", {"type": "cancelled", "message": f"not run: {_message(error, 'the run was stopped')}"})
        yield "</skipped>"
        return
    match closed.status:
        case Status.SKIPPED:
            kind = "pytest.xfail" if closed.reason is Reason.XFAIL else "pytest.skip"
            yield _open("skipped", {"type": kind, "message": _message(error, "skipped")})
            yield f"{xml_text(error)}</skipped>"
        case Status.PASSED:
            if closed.flaky:
                for result in test.evidence:
                    yield from _again(f"flaky{_TAGS[result.status]}", result)
        case _:
            tag = _TAGS[closed.status].lower()
            why = (closed.reason or closed.status).value
            yield _open(tag, {"message": _message(error, why), "type": why})
            yield f"{xml_text(error)}</{tag}>"
            for result in _before(test):
                yield from _again(f"rerun{_TAGS[result.status]}", result)


def _before(test: ClosedTest) -> list[AttemptResult]:
    """The failed attempts that are not the verdict itself: that of a lost or cancelled test is none of them."""
    failed = test.evidence
    if failed and (failed[-1].status, failed[-1].reason) == (test.closed.status, test.closed.reason):
        failed.pop()
    return failed


def _again(tag: str, result: AttemptResult) -> Iterator[str]:
    error, why = result.error or "", (result.reason or result.status).value
    yield _open(tag, {"message": _message(error, why), "type": why})
    yield f"<stackTrace>{xml_text(error)}</stackTrace>"
    if result.output:
        yield f"<system-out>{xml_text(result.output)}</system-out>"
    yield f"</{tag}>"


def _message(error: str, otherwise: str) -> str:
    return "\n".join(gist(error, _MESSAGE_LINES)) or otherwise


def _properties(told: Iterable[tuple[str, str]]) -> Iterator[str]:
    if told:
        yield "<properties>"
        for name, value in told:
            yield f"<property name={xml_attribute(name)} value={xml_attribute(value)}/>"
        yield "</properties>"


def _open(tag: str, attributes: dict[str, str]) -> str:
    written = "".join(f" {name}={xml_attribute(value)}" for name, value in attributes.items())
    return f"<{tag}{written}>"
