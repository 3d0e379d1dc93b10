from pathlib import Path

from msgspec.structs import replace

from pulseq.models import Status
from pulseq.results.journal_texts import restore_texts
from tests.journals import replay

FAILED = Status.FAILED


def test_the_tests_that_are_asked_for_get_their_texts_back(story) -> None:
    hostile = 'a "quoted" \ud800 id'
    journal = story.run("r1", story.test(hostile, FAILED, FAILED), story.test("b", FAILED), story.test("c", FAILED))
    whole = replay(journal)
    record = replay(journal)
    for test in record.tests.values():
        test.attempts = {number: replace(result, error=None) for number, result in test.attempts.items()}

    restore_texts(record, [(hostile, ""), ("c", ""), ("unknown", "")], journal)

    assert record.tests[hostile, ""].attempts == whole.tests[hostile, ""].attempts
    assert record.tests["c", ""].attempts == whole.tests["c", ""].attempts
    assert record.tests["b", ""].attempts[1].error is None


def test_without_the_journal_they_stay_without(story, tmp_path: Path) -> None:
    record = replay(story.run("r1", story.test("a", FAILED)))
    before = record.tests["a", ""].attempts
    restore_texts(record, [("a", "")], tmp_path / "gone.jsonl")
    assert record.tests["a", ""].attempts == before
