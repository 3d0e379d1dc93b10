from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulseq.errors import UsageError
from pulseq.events import AttemptFinished, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.reports.html import write_html
from pulseq.reports.html_tests import told_at_length
from pulseq.reports.junit import write_junit
from pulseq.results.journal import JournalWriter
from pulseq.results.lean_replay import LeanReplay
from tests.journals import replay

FAILED, PASSED, ERROR = Status.FAILED, Status.PASSED, Status.ERROR

texts = st.sampled_from([None, "", "no", "a\nb"])
results = st.builds(
    lambda name, attempt, lost, error, output: AttemptResult(
        name, attempt, "n", ERROR, reason=Reason.NODE_LOST if lost else Reason.CRASH, error=error, output=output or ""
    ),
    st.sampled_from("ab"),
    st.integers(1, 2),
    st.booleans(),
    texts,
    texts,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(results, max_size=8), harm=st.integers(0, 8))
def test_a_test_is_whole_again_whatever_was_told_of_it(tmp_path_factory, told: list[AttemptResult], harm: int) -> None:
    journal = tmp_path_factory.mktemp("r") / "journal.jsonl"
    with JournalWriter(journal) as writer:
        for name in "ab":
            writer.append(TestPlanned(name, "", name, "call", "low"))
        for result in told:
            writer.append(AttemptFinished(result))
    lines = journal.read_bytes().split(b"\n")
    if 2 <= harm < len(lines) - 1:
        lines.insert(harm, b"turned")
    journal.write_bytes(b"\n".join(lines))
    whole = replay(journal)

    lean = LeanReplay(journal)

    assert {key: lean.whole(test) for key, test in lean.record.tests.items()} == whole.tests
    said = [result.error or result.output for test in lean.record.tests.values() for result in test.attempts.values()]
    assert not any(said)


def test_reports_tell_the_same_as_of_a_whole_record(story) -> None:
    journal = story.run("r1", story.test("a", FAILED, PASSED), story.test("b", FAILED), story.test("c", PASSED))
    whole = replay(journal)
    lean = LeanReplay(journal)
    expected, written = io.BytesIO(), io.BytesIO()

    write_junit(whole, expected)
    write_junit(lean.record, written, whole=lean.whole)
    assert written.getvalue() == expected.getvalue()

    lean.fill(told_at_length(lean.record))
    expected, written = io.BytesIO(), io.BytesIO()
    write_html(whole, expected)
    write_html(lean.record, written)
    assert written.getvalue() == expected.getvalue()


def test_a_journal_that_is_not_there_or_has_gone_is_refused(story, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        LeanReplay(tmp_path / "journal.jsonl")
    journal = story.run("r1", story.test("a", FAILED))
    lean = LeanReplay(journal)
    journal.unlink()
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        lean.whole(lean.record.tests["a", ""])
