"""However a run is told, its counts are the same."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from pulseq.events import RunFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import Reason, Status
from pulseq.records import RunRecord, fold
from pulseq.reports.artifact_table import list_failures
from pulseq.reports.html import write_html
from pulseq.reports.json_output import describe_run
from pulseq.reports.junit import write_junit
from pulseq.reports.markdown import render_markdown
from pulseq.reports.summary import render_summary
from pulseq.reports.tally import count_verdicts

PASSED, FAILED, ERROR, SKIPPED = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED
_ENDS = [
    (PASSED, None),
    (FAILED, Reason.ASSERTION),
    (ERROR, Reason.TIMEOUT),
    (SKIPPED, Reason.SKIP),
    (SKIPPED, Reason.XFAIL),
    (ERROR, Reason.NODE_LOST),
    (ERROR, Reason.UNSATISFIABLE),
    (ERROR, Reason.CANCELLED),
    None,
]
_RUNS = st.lists(st.sampled_from(_ENDS), min_size=1, max_size=20)


def _run(ends: list[tuple[Status, Reason | None] | None]) -> RunRecord:
    events: list[object] = [RunStarted("r1", "shop", 0.0, "0")]
    for number, end in enumerate(ends):
        events.append(TestPlanned(f"t{number}", "", f"t{number}", "call", "medium"))
        if end is not None:
            events.append(TestClosed(f"t{number}", "", *end, flaky=False, attempts=1, error="no"))
    return fold([*events, RunFinished(9.0, 9.0, 1, "failed")])  # type: ignore[list-item]


def _page(record: RunRecord) -> str:
    stream = io.BytesIO()
    write_html(record, stream)
    return stream.getvalue().decode()


@settings(max_examples=10)
@given(_RUNS)
def test_message_summary_page_json_and_table_have_the_same_counts(
    ends: list[tuple[Status, Reason | None] | None],
) -> None:
    record = _run(ends)
    said = count_verdicts(record).say()

    assert said in render_summary(record).plain(width=500)
    assert f"**{said}**" in render_markdown(record)
    page = _page(record)
    assert all(f">{words}</span>" in page for words in said.split(", "))
    counts = describe_run(record)["counts"]
    assert counts["failed"] + counts["errors"] == len(list_failures(record))
    parts = ("passed", "failed", "errors", "skipped", "not_run", "not_finished")
    assert counts["total"] == len(ends) == sum(counts[part] for part in parts)  # type: ignore[literal-required]
    assert counts["not_run"] == ends.count((ERROR, Reason.CANCELLED))
    assert counts["errors"] == sum(end is not None and end[0] is ERROR for end in ends) - counts["not_run"]


@given(_RUNS)
def test_a_junit_file_counts_what_it_has(ends: list[tuple[Status, Reason | None] | None]) -> None:
    stream = io.BytesIO()
    write_junit(_run(ends), stream)
    (suite,) = ET.fromstring(stream.getvalue())

    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"), ("tests", "testcase")):
        assert int(suite.attrib[attribute]) == len(list(suite.iter(tag)))


def test_what_was_not_run_is_one_line_and_in_no_list() -> None:
    record = _run([(ERROR, Reason.CANCELLED)] * 283 + [(FAILED, Reason.ASSERTION)])

    for told in (render_summary(record).plain(), render_markdown(record)):
        assert "283 not run" in told
        assert not re.search(r"\bt\d+\b(?<!t283)", told)
    assert ["t283"] == [row["test"] for row in list_failures(record)]
    assert "t7" not in re.findall(r"\bt\d+\b", _page(record))
