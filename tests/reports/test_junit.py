"""A run as JUnit XML: names, counts, reruns, and any text."""

from __future__ import annotations

import io
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulseq.artifacts import Artifact
from pulseq.events import ArtifactsKept, AttemptFinished, RunStarted, SessionFinished, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.node.read_junit import read_junit
from pulseq.records import RunRecord, fold
from pulseq.reports.junit import write_junit
from pulseq.reports.left_behind import ArtifactPlace
from pulseq.reports.tally import count_verdicts

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
FAILED = (Status.FAILED, Reason.ASSERTION)
ERROR = (Status.ERROR, Reason.TIMEOUT)
LOST = (Status.ERROR, Reason.NODE_LOST)
PASSED = (Status.PASSED, None)


def written(record: RunRecord) -> ElementTree.Element:
    stream = io.BytesIO()
    write_junit(record, stream, hostname="driver")
    return ElementTree.fromstring(stream.getvalue())


def case_of(record: RunRecord) -> ElementTree.Element:
    [case] = written(record).iter("testcase")
    return case


def properties_of(case: ElementTree.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}


def test_the_counts_of_the_suite_are_those_of_the_run_and_of_the_cases(checkout) -> None:
    suite = written(checkout.record).find("testsuite")
    tally = count_verdicts(checkout.record)
    told = tuple(int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped"))
    found = (
        len(suite.findall("testcase")),
        *(len(suite.findall(f"*/{tag}")) for tag in ("failure", "error", "skipped")),
    )
    assert (tally.total, tally.failed, tally.errors, tally.skipped) == told == found


def test_the_suite_says_when_where_and_for_how_long(checkout) -> None:
    suite = written(checkout.record).find("testsuite")
    told = [suite.attrib[name] for name in ("name", "hostname", "timestamp", "time")]
    assert ["checkout", "driver", "2026-05-28T20:26:40+00:00", f"{checkout.record.finished.wall_seconds:.3f}"] == told


def test_our_own_reader_reads_what_our_writer_wrote(checkout, tmp_path) -> None:
    with (tmp_path / "own.xml").open("wb") as file:
        write_junit(checkout.record, file)
    read = [case.status for case in read_junit(tmp_path / "own.xml").cases]
    assert [test.closed.status for test in checkout.record.tests.values()] == read


@pytest.mark.parametrize(
    ("outcomes", "tags"),
    [
        ((PASSED,), ["properties"]),
        ((FAILED, ERROR, PASSED), ["properties", "flakyFailure", "flakyError"]),
        ((ERROR, FAILED, FAILED), ["properties", "failure", "rerunError", "rerunFailure"]),
        ((FAILED, ERROR), ["properties", "error", "rerunFailure"]),
        ((LOST, PASSED), ["properties"]),
        ((LOST, FAILED), ["properties", "failure"]),
        ((FAILED, LOST), ["properties", "error", "rerunFailure"]),
        (((Status.SKIPPED, Reason.SKIP),), ["properties", "skipped"]),
        ((), ["properties", "error"]),
    ],
)
def test_attempts_are_told_in_surefires_words(plot, tell_story: Callable, outcomes: tuple, tags: list[str]) -> None:
    case = case_of(tell_story([plot("pay", outcomes=outcomes)]).record)
    assert tags == [child.tag for child in case]


def test_a_flaky_attempt_has_its_stack_trace_and_output(plot, tell_story: Callable) -> None:
    story = tell_story([plot("pay", outcomes=(FAILED, PASSED), error="E  boom", output="said")])
    again = case_of(story.record).find("flakyFailure")
    told = [(child.tag, child.text) for child in again]
    assert (
        again.attrib["message"],
        again.attrib["type"],
        told,
    ) == ("boom", "assertion", [("stackTrace", "E  boom"), ("system-out", "said")])


def test_an_expected_failure_is_skipped_as_pytest_has_it(plot, tell_story: Callable) -> None:
    story = tell_story([plot("pay", outcomes=((Status.SKIPPED, Reason.XFAIL),), error="issue 12")])
    assert case_of(story.record).find("skipped").attrib == {"type": "pytest.xfail", "message": "issue 12"}


def test_node_attempts_variant_and_metrics_are_properties(plot, tell_story: Callable) -> None:
    case = case_of(tell_story([plot("pay", 2.0, (FAILED, PASSED), "browser=chrome")], {"n": (1, {})}).record)
    expected = {
        "test_id": "pay",
        "attempts": "2",
        "node": "n",
        "variant": "browser=chrome",
        "metrics.duration": "2",
        "metrics.memory_usage": "12.5",
    }
    assert ("pay (browser=chrome)", "2.000", expected) == (
        case.attrib["name"],
        case.attrib["time"],
        properties_of(case),
    )


def test_what_a_test_records_is_a_property_or_an_attribute_of_its_case(plot, tell_story: Callable) -> None:
    recorded = (("property", "ticket", "7"), ("property", "ticket", "8"), ("attribute", "owner", "<me>"))
    case = case_of(tell_story([plot("pay", told={"properties": recorded})]).record)
    tickets = [one.attrib["value"] for one in case.iter("property") if one.attrib["name"] == "ticket"]
    assert (tickets, case.attrib["owner"]) == (["7", "8"], "<me>")


def test_a_test_may_name_its_case_and_not_say_how_long_it_took(plot, tell_story: Callable) -> None:
    recorded = (("attribute", "classname", "shop.Cart"), ("attribute", "time", "0"))
    case = case_of(tell_story([plot("pay", 2.0, told={"properties": recorded})]).record)
    assert (case.attrib["classname"], case.attrib["time"]) == ("shop.Cart", "2.000")


def test_no_two_cases_are_named_alike() -> None:
    """Whatever is alike in plans: what reads a report keeps one of those that are."""
    plans = [
        ("pay", "", "Pays", "command"),
        ("pay", "jdk=21", "Pays", "command"),
        ("buy", "", "Pays", "command"),
        ("java::C::a", "", "a", "command"),
        ("kotlin::C::a", "", "a", "command"),
        ("unit::tests/test_x.py::test_y", "", "test_y", "pytest"),
        ("slow::tests/test_x.py::test_y", "", "test_y", "pytest"),
        ("bell\x01", "", "bell\x01", "call"),
        ("bell#x01", "", "bell#x01", "call"),
    ]
    record = fold(
        event
        for test_id, variant, name, body in plans
        for event in (
            TestPlanned(test_id, variant, name, body, "medium"),
            TestClosed(test_id, variant, Status.PASSED, None, False, 1),
        )
    )
    names = [(case.attrib["classname"], case.attrib["name"]) for case in written(record).iter("testcase")]
    assert [
        ("pulseq", "Pays [pay]"),
        ("pulseq", "Pays [pay] (jdk=21)"),
        ("pulseq", "Pays [buy]"),
        ("java.C", "a"),
        ("kotlin.C", "a"),
        ("unit.tests.test_x", "test_y"),
        ("slow.tests.test_x", "test_y"),
        ("bell#x01.pulseq", "bell#x01"),
        ("bell#x01.pulseq", "bell#x01 #2"),
    ] == names


def test_names_that_tests_record_for_themselves_are_told_apart_too(plot, tell_story: Callable) -> None:
    recorded = {"properties": (("attribute", "classname", "shop"), ("attribute", "name", "pays"))}
    story = tell_story([plot("a", told=recorded), plot("b", told=recorded)])
    names = [(case.attrib["classname"], case.attrib["name"]) for case in written(story.record).iter("testcase")]
    assert [("a.shop", "pays"), ("b.shop", "pays")] == names


@pytest.mark.parametrize("name", ["", "1st", "a b", "a:b", 'x="', "xmlns", "XML", "a\n", "é", "-a"])
def test_an_attribute_that_xml_cannot_name_is_a_property(plot, tell_story: Callable, name: str) -> None:
    case = case_of(tell_story([plot("pay", told={"properties": (("attribute", name, "v"),)})]).record)
    assert (list(case.attrib), properties_of(case)[name]) == (["classname", "name", "time"], "v")


def test_what_a_suite_records_is_a_property_of_the_suite(checkout) -> None:
    record = checkout.record
    record.apply(SessionFinished("unit", "n", 0, properties=(("build", "7"),)))
    told = {one.attrib["name"]: one.attrib["value"] for one in written(record).findall("testsuite/properties/property")}
    assert told == {"run_id": "20260528-2026-k3x9", "prefect_url": record.prefect.url, "build": "7"}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(["property", "attribute"]), ANY_TEXT, ANY_TEXT), max_size=4).map(tuple))
def test_any_text_that_is_recorded_leaves_a_file_that_can_be_read(recorded: tuple[tuple[str, str, str], ...]) -> None:
    result = AttemptResult("a", 1, "n", Status.PASSED, properties=recorded)
    suite = SessionFinished("unit", "n", 0, properties=tuple((name, value) for _, name, value in recorded))
    planned, closed = TestPlanned("a", "", "a", "call", "low"), TestClosed("a", "", Status.PASSED, None, False, 1)
    record = fold([planned, AttemptFinished(result), closed, suite])
    assert case_of(record).attrib["time"] == "0.000"


def test_the_output_of_a_test_that_passed_is_left_out(plot, tell_story: Callable) -> None:
    story = tell_story([plot("good", output="o"), plot("bad", outcomes=(FAILED,), output="o")])
    assert [
        case.attrib["name"] for case in written(story.record).iter("testcase") if case.find("system-out") is not None
    ] == ["bad"]


def test_tests_without_a_verdict_yet_are_left_out(checkout) -> None:
    record = fold(event for _, event in checkout.until(3.0))
    assert count_verdicts(record).total == len(list(written(record).iter("testcase")))


def test_an_empty_record_is_an_empty_suite() -> None:
    assert written(RunRecord()).find("testsuite").attrib["tests"] == "0"


def test_a_case_is_written_before_the_next_is_made(checkout) -> None:
    """The file is never held in memory: no write is much larger than one case."""

    class Largest(io.BytesIO):
        most = 0

        def write(self, data: bytes) -> int:
            self.most = max(self.most, len(data))
            return super().write(data)

    stream = Largest()
    write_junit(checkout.record, stream)
    assert stream.most < 4096 < len(stream.getvalue())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.sampled_from(Status), st.sampled_from(["pytest", "command"]))
def test_any_text_is_read_back_with_its_verdict(
    suite: str, test_id: str, error: str, output: str, status: Status, body: str
) -> None:
    reason = None if status is Status.PASSED else Reason.EXCEPTION
    record = fold(
        [
            RunStarted("r", suite, 0.0, "1"),
            TestPlanned(test_id, output, error, body, "medium"),
            AttemptFinished(AttemptResult(test_id, 1, suite, status, output, reason, error=error, output=output)),
            TestClosed(test_id, output, status, reason, False, 1, suite, error),
        ]
    )
    case = case_of(record)
    tags = {Status.PASSED: None, Status.FAILED: "failure", Status.ERROR: "error", Status.SKIPPED: "skipped"}
    found = [child.tag for child in case if child.tag in tags.values()]
    assert [tag for tag in [tags[status]] if tag] == found


def test_artifacts_are_attachments_of_their_case_and_those_of_an_entry_of_the_suite(plot, tell_story, tmp_path) -> None:
    record = tell_story([plot("bad", 1.0, (FAILED,), output="said"), plot("good")]).record
    for test_id in ("bad", "good", "entry"):
        file = Artifact("a&b.png", 3, "f00d", "image/png", f"artifacts/{test_id}/1/a&b.png")
        record.apply(ArtifactsKept(test_id, "", 1, "n", (file,)))
    stream = io.BytesIO()
    write_junit(record, stream, place=ArtifactPlace(tmp_path / "home", tmp_path))
    suite = ElementTree.fromstring(stream.getvalue()).find("testsuite")
    assert suite is not None
    assert {
        "bad": "said\n[[ATTACHMENT|home/artifacts/bad/1/a&b.png]]",
        "good": "[[ATTACHMENT|home/artifacts/good/1/a&b.png]]",
    } == {case.attrib["name"]: case.findtext("system-out") for case in suite.iter("testcase")}
    assert "[[ATTACHMENT|home/artifacts/entry/1/a&b.png]]" == suite.findtext("system-out")
