import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import InfrastructureError, UsageError
from pulseq.events import Event, RunNote
from pulseq.results.codec import encode_line
from pulseq.results.journal import JournalWriter, journal_path, journals_in, read_journal


def write(path: Path, *events: Event) -> None:
    with JournalWriter(path) as writer:
        for event in events:
            writer.append(event)


def events_in(path: Path) -> list[Event]:
    return [entry.event for entry in read_journal(path)]


def test_a_journal_stands_in_the_directory_of_its_run() -> None:
    assert Path("home/runs/r1/journal.jsonl") == journal_path(Path("home"), "r1")


def test_events_are_numbered_and_timed_in_the_order_they_came(tmp_path: Path) -> None:
    ticks = iter([10.0, 9.0, 11.0])
    with JournalWriter(tmp_path / "r" / "journal.jsonl", clock=lambda: next(ticks)) as writer:
        assert [writer.append(RunNote(text)) for text in "abc"] == [1, 2, 3]
    entries = list(read_journal(tmp_path / "r" / "journal.jsonl"))
    assert [(entry.seq, entry.time) for entry in entries] == [(1, 10.0), (2, 9.0), (3, 11.0)]


def test_nothing_is_on_the_disk_before_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as writer:
        writer.append(RunNote("a"))
        assert events_in(path) == []
        writer.commit()
        assert [RunNote("a")] == events_in(path)


def test_a_flood_of_events_goes_to_the_disk_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.results.journal.MOST_BUFFERED_BYTES", 1000)
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as writer:
        numbers = [writer.append(RunNote("x" * 100)) for _ in range(100)]
        assert path.stat().st_size > 0.8 * 100 * 100
    assert numbers == [entry.seq for entry in read_journal(path)]


def test_a_flood_that_the_disk_does_not_take_waits_for_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulseq.results.journal.MOST_BUFFERED_BYTES", 1000)
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as writer:
        with monkeypatch.context() as full:
            full.setattr(os, "fsync", _no_space)
            for _ in range(100):
                writer.append(RunNote("x" * 100))
            with pytest.raises(InfrastructureError):
                writer.commit()
    assert len(events_in(path)) == 100


def _no_space(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_closing_commits_and_may_happen_twice(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "journal.jsonl")
    writer.append(RunNote("a"))
    writer.close()
    writer.close()
    assert [RunNote("a")] == events_in(tmp_path / "journal.jsonl")


def test_a_resumed_journal_goes_on_counting(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, RunNote("a"), RunNote("b"))
    write(path, RunNote("c"))
    assert [entry.seq for entry in read_journal(path)] == [1, 2, 3]


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_torn_last_line_is_skipped_and_what_follows_is_read(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, RunNote("a"), RunNote("b"))
    first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(first + b"\n" + second[:kept])
    write(path, RunNote("c"))
    reader = read_journal(path)
    assert [RunNote("a"), RunNote("c")] == [entry.event for entry in reader]
    assert reader.damaged == 1


def test_a_last_line_that_lost_only_its_break_is_believed_before_and_after_the_resume(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, RunNote("a"))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert [RunNote("a")] == events_in(path)
    write(path, RunNote("b"))
    reader = read_journal(path)
    assert ([RunNote("a"), RunNote("b")], 0) == ([entry.event for entry in reader], reader.damaged)


def test_a_flipped_line_is_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, RunNote("a"), RunNote("b"), RunNote("c"))
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"d"'))
    reader = read_journal(path)
    assert [RunNote("a"), RunNote("c")] == [entry.event for entry in reader]
    assert reader.damaged == 1


def test_binary_rubbish_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(bytes(range(256)) * 10 + b"\n")
    write(path, RunNote("a"))
    assert [RunNote("a")] == events_in(path)


def test_a_reader_follows_a_growing_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    seen: list[Event] = []
    offset = 0
    with JournalWriter(path) as writer:
        for text in "abc":
            writer.append(RunNote(text))
            writer.commit()
            reader = read_journal(path, offset=offset)
            seen += [entry.event for entry in reader]
            offset = reader.offset
    assert [RunNote("a"), RunNote("b"), RunNote("c")] == seen


def test_a_half_written_last_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, RunNote("a"), RunNote("b"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    reader = read_journal(path)
    assert [RunNote("a")] == [entry.event for entry in reader]
    assert reader.damaged == 0
    path.write_bytes(whole)
    assert [RunNote("b")] == [entry.event for entry in read_journal(path, offset=reader.offset)]


def test_hostile_text_of_a_megabyte_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    text = ("\x00\x1b[31m]]>\ud800‮\n\r" * 100_000) + "end"
    write(path, RunNote(text), RunNote("after"))
    assert [RunNote(text), RunNote("after")] == events_in(path)


def test_threads_share_a_writer_without_losing_or_mixing_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as writer:

        def work(name: int) -> None:
            for number in range(50):
                writer.append(RunNote(f"{name}-{number}"))
                writer.commit()

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    entries = list(read_journal(path))
    assert list(range(1, 201)) == [entry.seq for entry in entries]
    assert {RunNote(f"{name}-{number}") for name in range(4) for number in range(50)} == {
        entry.event for entry in entries
    }


def test_a_second_writer_of_one_journal_is_refused(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "journal.jsonl"):
        with pytest.raises(UsageError, match="is being written by another process"):
            JournalWriter(tmp_path / "journal.jsonl")
    JournalWriter(tmp_path / "journal.jsonl").close()


def test_whoever_only_looks_whether_a_journal_is_written_keeps_nobody_from_writing(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.touch()
    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        waiting = threading.Thread(target=write, args=(path, RunNote("a")))
        waiting.start()
        fcntl.flock(looking, fcntl.LOCK_UN)
        waiting.join()
    assert [RunNote("a")] == events_in(path)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        JournalWriter(tmp_path / "file" / "r" / "journal.jsonl")


def test_a_full_disk_leaves_earlier_lines_and_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    script = textwrap.dedent(
        """
        import resource, signal, sys
        from pathlib import Path
        from pulseq.errors import InfrastructureError
        from pulseq.events import RunNote
        from pulseq.results.journal import JournalWriter

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = JournalWriter(Path(sys.argv[1]))
        writer.append(RunNote("before"))
        writer.commit()
        size = Path(sys.argv[1]).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))
        for number in range(100):
            writer.append(RunNote("x" * 100))
        try:
            writer.commit()
        except InfrastructureError as error:
            print(error)
        print(Path(sys.argv[1]).stat().st_size == size)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.append(RunNote("after"))
        writer.close()
        """
    )
    ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    message, untouched = ended.stdout.splitlines()
    assert "cannot be written: File too large; what stands in it is intact: free some space" in message
    assert untouched == "True"
    assert ["before", *["x" * 100] * 100, "after"] == [
        json.loads(line)["data"]["text"] for line in path.read_text().splitlines()
    ]


def test_lines_that_could_not_even_be_taken_back_are_written_once_by_the_next_commit(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    script = textwrap.dedent(
        """
        import os, resource, signal, sys
        from pathlib import Path
        from pulseq.errors import InfrastructureError
        from pulseq.events import RunNote
        from pulseq.results.journal import JournalWriter

        def fail(descriptor, length):
            raise OSError(5, "Input/output error")

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = JournalWriter(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        for number in range(20):
            writer.append(RunNote(f"{number}" * 50))
        shrink, os.ftruncate = os.ftruncate, fail
        for _ in range(2):
            try:
                writer.commit()
            except InfrastructureError as error:
                print(type(error).__name__)
        os.ftruncate = shrink
        print(Path(sys.argv[1]).stat().st_size)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.close()
        """
    )
    ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["InfrastructureError", "InfrastructureError", "1000"]
    assert [RunNote(f"{number}" * 50) for number in range(20)] == events_in(path)


def test_lines_stay_for_the_next_commit_whatever_ended_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise MemoryError

    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as writer:
        writer.append(RunNote("a"))
        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(MemoryError):
            writer.commit()
        monkeypatch.undo()
        writer.append(RunNote("b"))
    assert [RunNote("a"), RunNote("b")] == events_in(path)


def test_a_journal_that_is_to_be_new_refuses_one_that_holds_something(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.touch()
    JournalWriter(path, new=True).close()
    write(path, RunNote("a"))
    with pytest.raises(UsageError, match="is that of another run: choose another run id"):
        JournalWriter(path, new=True)
    write(path, RunNote("b"))
    assert [RunNote("a"), RunNote("b")] == events_in(path)


@pytest.mark.parametrize("what", ["removed", "moved", "replaced"])
def test_a_journal_that_is_not_in_its_place_any_more_is_noticed(tmp_path: Path, what: str) -> None:
    path = tmp_path / "r1" / "journal.jsonl"
    with JournalWriter(path) as writer:
        writer.append(RunNote("a"))
        writer.commit()
        writer.check_place()
        path.parent.rename(tmp_path / "other") if what == "moved" else shutil.rmtree(path.parent)
        if what == "replaced":
            write(path, RunNote("b"))
        with pytest.raises(InfrastructureError, match="was removed while the run went on"):
            writer.check_place()
    writer.check_place()


@pytest.mark.parametrize("kind", ["directory", "FIFO"])
def test_what_is_no_file_is_refused_as_a_journal(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    with pytest.raises(UsageError, match=f"the journal .* is a {kind}, expected a file"):
        JournalWriter(path)


@given(st.lists(st.sampled_from([b"", b"turned", b"whole"]), max_size=20), st.integers(0, 20))
def test_damaged_lines_are_counted_and_blank_ones_are_not(tmp_path_factory, kinds: list[bytes], begin: int) -> None:
    path = tmp_path_factory.mktemp("r") / "journal.jsonl"
    whole = encode_line(1, 1.0, RunNote("a"))[:-1]
    lines = [whole if kind == b"whole" else kind for kind in kinds]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    reader = read_journal(path, offset=sum(len(line) + 1 for line in lines[:begin]))
    assert len([*reader]) == kinds[begin:].count(b"whole")
    assert reader.damaged == kinds[begin:].count(b"turned")


def test_the_journals_of_a_state_directory_are_files(tmp_path: Path) -> None:
    write(journal_path(tmp_path, "r2"), RunNote("a"))
    write(journal_path(tmp_path, "r1"), RunNote("a"))
    journal_path(tmp_path, "r3").mkdir(parents=True)
    assert journals_in(tmp_path) == [journal_path(tmp_path, "r1"), journal_path(tmp_path, "r2")]


def test_events_of_one_moment_share_its_time_and_a_clock_may_step_back(tmp_path: Path) -> None:
    clock = iter([100.0, 100.0004, 100.0009, 100.0011, 50.0]).__next__
    with JournalWriter(tmp_path / "journal.jsonl", clock=clock) as writer:
        for text in "abcde":
            writer.append(RunNote(text))
    times = [entry.time for entry in read_journal(tmp_path / "journal.jsonl")]
    assert times == [100.0, 100.0, 100.0, 100.0011, 50.0]
