from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import UsageError
from pulseq.events import RunNote, RunStarted
from pulseq.results.codec import encode_line
from pulseq.results.journal_mark import read_mark

STARTED = encode_line(1, 1.0, RunStarted("r1", "shop", 1.0, "0"))


def journal_of(directory: Path, content: bytes) -> Path:
    journal = directory / "named" / "journal.jsonl"
    journal.parent.mkdir(exist_ok=True)
    journal.write_bytes(content)
    return journal


@pytest.mark.parametrize(
    ("content", "run_id"),
    [
        (STARTED, "r1"),
        (STARTED + b"torn", "r1"),
        (STARTED[:-1], "r1"),
        (encode_line(1, 1.0, RunNote("no start")), "named"),
        (b"turned\n" + STARTED, "named"),
    ],
)
def test_the_first_line_says_which_run_it_is(tmp_path: Path, content: bytes, run_id: str) -> None:
    mark = read_mark(journal_of(tmp_path, content))
    assert mark is not None
    assert mark.run_id == run_id


@pytest.mark.parametrize("content", [b"", STARTED[:-10], b"torn"])
def test_a_journal_without_a_whole_line_has_no_mark_yet(tmp_path: Path, content: bytes) -> None:
    assert read_mark(journal_of(tmp_path, content)) is None


def test_the_break_of_the_first_line_and_what_follows_change_nothing(tmp_path: Path) -> None:
    marks = {read_mark(journal_of(tmp_path, content)) for content in (STARTED[:-1], STARTED, STARTED + STARTED)}
    assert len(marks) == 1


def test_a_first_line_without_end_is_not_read_whole(tmp_path: Path) -> None:
    mark = read_mark(journal_of(tmp_path, b"x" * (3 << 20)))
    assert mark is not None
    assert mark.run_id == "named"


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_journals_with_other_first_lines_have_other_marks(tmp_path_factory, one: bytes, other: bytes) -> None:
    directory = tmp_path_factory.mktemp("runs")
    marks = [read_mark(journal_of(directory, content + b"\n")) for content in (one, other)]
    assert (marks[0] == marks[1]) == (one.split(b"\n")[0] == other.split(b"\n")[0])


def test_a_journal_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_mark(tmp_path / "journal.jsonl")
