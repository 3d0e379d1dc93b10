from pathlib import Path

import pytest

from pulseq.events import AttemptStarted, Event, RunFinished, RunNote, TestPlanned
from pulseq.results.codec import encode_line
from pulseq.results.slices import TEST_KINDS, Slice, read_slice

PLANNED = TestPlanned("a", "", "a", "call", "low")
STARTED = AttemptStarted("a", "", 1, "n")
NOTE = RunNote("hello")
ENDED = RunFinished(2.0, 1.0, 0, "passed")


def lines_of(*events: Event) -> list[bytes]:
    return [encode_line(seq, 1.0, event) for seq, event in enumerate(events, 1)]


def all_lines(found: Slice) -> list[bytes]:
    return [line for lines in (*found.tests.values(), found.others) for line in lines]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(lines_of(PLANNED, NOTE, STARTED)))
    return path


def test_lines_are_sorted_by_their_kind(journal: Path) -> None:
    planned, note, started = journal.read_bytes().split(b"\n")[:3]
    found = read_slice(journal, 0, 1 << 20)
    assert [[planned], [started], [], []] == [found.tests[kind] for kind in TEST_KINDS]
    assert [note] == found.others
    assert (0, journal.stat().st_size, 0) == (found.start, found.end, found.damaged)


@pytest.mark.parametrize("size", [1, 60, 200, 100_000])
def test_slices_of_any_size_are_the_whole_journal(journal: Path, size: int) -> None:
    lines: list[bytes] = []
    start = 0
    while start < journal.stat().st_size:
        found = read_slice(journal, start, size)
        lines += all_lines(found)
        start = found.end
    assert sorted(lines) == sorted(journal.read_bytes().split(b"\n")[:3])


def test_a_slice_ends_with_its_run(journal: Path) -> None:
    first, end, second = lines_of(NOTE, ENDED, NOTE)
    journal.write_bytes(first + end + second)
    found = read_slice(journal, 0, 1 << 20)
    assert (2, len(first + end)) == (len(found.others), found.end)
    assert [second[:-1]] == read_slice(journal, found.end, 1 << 20).others


@pytest.mark.parametrize("harm", [b"\x00", b"turned\n", b'{"seq":1}\n'])
def test_lines_that_are_not_whole_are_left_out_and_counted(journal: Path, harm: bytes) -> None:
    first, second = lines_of(NOTE, NOTE)
    journal.write_bytes(harm + first + b"\n" + second)
    found = read_slice(journal, 0, 1 << 20)
    assert found.damaged == 1
    assert found.end == journal.stat().st_size


def test_a_last_line_without_its_end_waits_for_it(journal: Path) -> None:
    first, second = lines_of(NOTE, NOTE)
    journal.write_bytes(first + second[:-3])
    found = read_slice(journal, 0, 1 << 20)
    assert ([first[:-1]], len(first), 0) == (found.others, found.end, found.damaged)


def test_a_last_line_that_lacks_only_its_break_is_taken(journal: Path) -> None:
    first, second = lines_of(NOTE, NOTE)
    journal.write_bytes(first + second[:-1])
    found = read_slice(journal, 0, 1 << 20)
    assert ([first[:-1], second[:-1]], len(first + second) - 1) == (found.others, found.end)
