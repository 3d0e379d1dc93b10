"""Where events go as they become true."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pulseq.errors import InfrastructureError, PulseqError
from pulseq.events import AttemptFinished, Event, RunNote, RunStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, PytestWarning, Reason, Status
from pulseq.results.database import Database
from pulseq.results.journal import JournalWriter
from pulseq.run.event_log import EventLog
from tests.journals import replay

STARTED = RunStarted("r1", "shop", 1.0, "0")
LONG = "x" * 50_000


def _finished(status: Status) -> AttemptFinished:
    reason = None if status is Status.PASSED else Reason.EXIT_CODE
    return AttemptFinished(AttemptResult("t", 1, "n", status, reason=reason, error=LONG, output=LONG))


def _emit(directory: Path, *events: Event) -> tuple[EventLog, list[Event], list[PulseqError]]:
    seen: list[Event] = []
    failures: list[PulseqError] = []

    async def emit() -> EventLog:
        log = EventLog(directory / "journal.jsonl", [seen.append], failures.append)
        for event in events:
            log.emit(event)
        await log.commit()
        return log

    log = asyncio.run(emit())
    log.close()
    return log, seen, failures


def test_an_event_reaches_record_views_and_journal(tmp_path: Path) -> None:
    log, seen, _ = _emit(tmp_path, STARTED, RunNote("hello"))

    assert seen == [STARTED, RunNote("hello")]
    assert log.record.notes == ["hello"]
    assert replay(tmp_path / "journal.jsonl").notes == ["hello"]


@pytest.mark.parametrize(("status", "kept"), [(Status.PASSED, 0), (Status.FAILED, 8_000)])
def test_memory_keeps_little_of_what_a_body_wrote_and_the_journal_all(
    tmp_path: Path, status: Status, kept: int
) -> None:
    planned = TestPlanned("t", "", "t", "command", "medium")

    log, _, _ = _emit(tmp_path, STARTED, planned, _finished(status))

    (in_memory,) = log.record.tests["t", ""].attempts.values()
    (on_disk,) = replay(tmp_path / "journal.jsonl").tests["t", ""].attempts.values()
    assert (len(in_memory.output), len(on_disk.output)) == (kept, len(LONG))


def test_a_journal_that_cannot_be_written_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: JournalWriter) -> None:
        raise InfrastructureError("the disk is full")

    monkeypatch.setattr(JournalWriter, "commit", full)
    failures: list[PulseqError] = []

    async def emit() -> None:
        log = EventLog(tmp_path / "journal.jsonl", [], failures.append)
        for _ in range(3):
            log.emit(STARTED)
            await log.commit()

    asyncio.run(emit())

    assert [str(failure) for failure in failures] == ["the disk is full"]


def test_a_damaged_database_is_set_aside_with_a_word(tmp_path: Path) -> None:
    database = tmp_path / "results.duckdb"
    with Database(database).write() as connection:
        connection.execute("select 1")
    content = database.read_bytes()
    database.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    closed = TestClosed("t", "", Status.PASSED, None, flaky=False, attempts=1)

    async def ingest() -> EventLog:
        log = EventLog(tmp_path / "journal.jsonl", [], lambda _: None)
        for event in (STARTED, TestPlanned("t", "", "t", "command", "medium"), closed):
            log.emit(event)
        await log.ingest(database)
        log.close()
        return log

    log = asyncio.run(ingest())

    assert len(log.record.notes) == 1
    assert "was damaged and is now" in log.record.notes[0]


def test_what_the_database_does_not_take_is_told_by_who_waits_and_never_by_asyncio(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = tmp_path / "file" / "results.duckdb"

    async def end() -> list[str]:
        complaints: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        log = EventLog(tmp_path / "journal.jsonl", [], lambda error: None)
        log.emit(STARTED)
        keeping = asyncio.create_task(log.keep_ingesting(database, 0.0))
        for _ in range(10):  # turns of the loop, for the one that keeps at it to begin
            await asyncio.sleep(0)
        assert log._ingesting is not None
        keeping.cancel()
        await asyncio.wait({keeping, log._ingesting})
        with pytest.raises(PulseqError, match="cannot be opened"):
            await log.ingest(database)
        log.close()
        gc.collect()  # what nobody has asked for its error complains when it goes
        return complaints

    assert [] == asyncio.run(end())


def test_what_is_not_to_be_shown_is_journalled_alone(tmp_path: Path) -> None:
    seen: list[Event] = []

    async def emit() -> None:
        log = EventLog(tmp_path / "journal.jsonl", [seen.append], lambda error: None)
        log.emit(RunNote("for all"))
        log.emit(RunNote("for later"), shown=False)
        log.close()

    asyncio.run(emit())

    assert [RunNote("for all")] == seen
    assert ["for all", "for later"] == replay(tmp_path / "journal.jsonl").notes


def test_what_is_over_is_brought_in_while_the_run_ends(tmp_path: Path) -> None:
    database = Database(tmp_path / "results.duckdb")
    planned = [TestPlanned(f"t{number}", "", "t", "command", "medium") for number in range(30)]

    async def end() -> tuple[int, int]:
        log = EventLog(tmp_path / "journal.jsonl", [], lambda error: None)
        for event in (STARTED, *planned, *(_finished(Status.PASSED) for _ in planned)):
            log.emit(event)
        await log.commit()
        keeping = asyncio.create_task(log.keep_ingesting(database.path, 3600.0))
        await asyncio.sleep(0)
        log.tests_are_over()
        for _ in range(10):  # turns of the loop, for the one that keeps at it to notice
            await asyncio.sleep(0)
        assert log._ingesting is not None
        # What was begun goes on, and the last one waits for it.
        keeping.cancel()
        log.emit(TestClosed("t0", "", Status.PASSED, None, flaky=False, attempts=1))
        await log.ingest(database.path)
        log.close()
        with database.read() as connection:
            told = connection.execute(
                "select (select count(*) from tests), (select count(*) from verdicts)"
            ).fetchall()[0]
        return int(told[0]), int(told[1])

    assert asyncio.run(end()) == (30, 1)


def test_memory_has_a_warning_that_many_tests_tell_once_and_leaves_properties_to_the_journal(tmp_path: Path) -> None:
    def warned(test_id: str) -> list[Event]:
        warnings = (PytestWarning("UserWarning", "the same"),)
        recorded = (("property", "ticket", "7"),)
        result = AttemptResult(test_id, 1, "n", Status.PASSED, pytest_warnings=warnings, properties=recorded)
        return [TestPlanned(test_id, "", test_id, "pytest", "medium"), AttemptFinished(result)]

    log, _, _ = _emit(tmp_path, STARTED, *warned("a"), *warned("b"))

    (_, one), (_, other) = log.record.pytest_warnings()
    assert one is other
    in_memory, on_disk = log.record.tests["a", ""].last, replay(tmp_path / "journal.jsonl").tests["a", ""].last
    assert in_memory is not None
    assert on_disk is not None
    assert (in_memory.properties, on_disk.properties) == ((), (("property", "ticket", "7"),))


def test_texts_of_the_first_failures_are_kept_in_memory_and_the_rest_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulseq.run.event_log.KEPT_TEXTS", 2)
    names = ("a", "b", "c")
    planned = [TestPlanned(name, "", name, "command", "medium") for name in names]
    bad = [AttemptFinished(AttemptResult(name, 1, "n", Status.FAILED, error="why", output=LONG)) for name in names]

    log, seen, _ = _emit(tmp_path, STARTED, *planned, *bad)

    kept = [(last.error, len(last.output)) for test in log.record.tests.values() if (last := test.last)]
    assert kept == [("why", 8_000), ("why", 8_000), (None, 0)]
    assert [len(event.result.output) for event in seen if isinstance(event, AttemptFinished)] == [8_000] * 3
    record = replay(tmp_path / "journal.jsonl")
    assert [len(test.last.output) for test in record.tests.values() if test.last] == [len(LONG)] * 3


def test_a_view_that_fails_is_told_of_once_and_ends_nothing(tmp_path: Path) -> None:
    seen: list[Event] = []

    def fail(_: Event) -> None:
        raise KeyError("its own")

    async def emit() -> EventLog:
        log = EventLog(tmp_path / "journal.jsonl", [fail, seen.append], pytest.fail)
        for event in (STARTED, RunNote("hello")):
            log.emit(event)
        log.close()
        return log

    log = asyncio.run(emit())

    told = "what shows this run has failed (KeyError: 'its own'); its results do not need it"
    assert [STARTED, RunNote(told), RunNote("hello")] == seen
    assert log.record.notes == replay(tmp_path / "journal.jsonl").notes == [told, "hello"]


def test_what_is_written_needs_no_thread(tmp_path: Path) -> None:
    async def emit() -> None:
        threads = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(threads)
        threads.shutdown()  # what asks it for a thread gets a RuntimeError, as where the machine has none to give
        log = EventLog(tmp_path / "journal.jsonl", [], pytest.fail)
        committing = asyncio.create_task(log.keep_committing())
        for number in range(3):
            log.emit(RunNote(f"{number}"))
            await _until(lambda told=number: len(replay(tmp_path / "journal.jsonl").notes) == told + 1)
        await log.ingest(tmp_path / "results.duckdb")
        committing.cancel()
        log.close()

    asyncio.run(emit())

    with Database(tmp_path / "results.duckdb").read() as connection:
        assert connection.execute("SELECT count(*) FROM run_notes").fetchall() == [(3,)]


@pytest.mark.parametrize("error", [MemoryError("no memory"), ValueError("foreign")])
def test_an_error_of_another_kind_is_told_and_the_next_commit_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failures: list[PulseqError] = []

    def fail(_: int) -> None:
        monkeypatch.undo()
        raise error

    async def emit() -> None:
        log = EventLog(tmp_path / "journal.jsonl", [], failures.append)
        monkeypatch.setattr("os.fsync", fail)
        committing = asyncio.create_task(log.keep_committing())
        log.emit(RunNote("a"))
        await _until(lambda: bool(failures))
        log.emit(RunNote("b"))
        await _until(lambda: replay(tmp_path / "journal.jsonl").notes == ["a", "b"])
        committing.cancel()
        log.close()

    asyncio.run(emit())

    assert [f"{type(error).__name__}: {error}" in str(failure) for failure in failures] == [True]


def test_a_state_directory_that_is_removed_is_noticed_although_nothing_happens(tmp_path: Path) -> None:
    failures: list[PulseqError] = []

    async def watch() -> None:
        log = EventLog(tmp_path / "r1" / "journal.jsonl", [], failures.append)
        log.emit(STARTED)
        await log.commit()
        committing = asyncio.create_task(log.keep_committing())
        shutil.rmtree(tmp_path / "r1")
        await _until(lambda: bool(failures))
        committing.cancel()
        log.close()

    asyncio.run(watch())

    (failure,) = failures
    assert "was removed while the run went on" in str(failure)


def test_an_end_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[PulseqError] = []

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    async def emit() -> None:
        log = EventLog(tmp_path / "journal.jsonl", [], failures.append)
        log.emit(STARTED)
        monkeypatch.setattr("os.fsync", fail)
        log.close()
        assert log.failed

    asyncio.run(emit())

    assert ["No space left on device" in str(failure) for failure in failures] == [True]


def test_what_a_test_says_is_bounded_before_it_is_written(tmp_path: Path) -> None:
    result = AttemptResult("t", 1, "n", Status.FAILED, error="e" * 10**6, metrics={"m" * 10**6: 1.0})

    _emit(tmp_path, STARTED, TestPlanned("t", "", "t", "call", "medium"), AttemptFinished(result))

    assert (tmp_path / "journal.jsonl").stat().st_size < 100_000


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - a file tells nobody that it has changed
            await asyncio.sleep(0.005)


def test_a_sealed_log_has_its_last_word_on_the_disk_and_takes_nothing_more(tmp_path: Path) -> None:
    async def seal() -> EventLog:
        log = EventLog(tmp_path / "journal.jsonl", [], [].append)
        log.emit(STARTED)
        await asyncio.to_thread(log.seal, lambda record: [RunNote(f"{record.started.run_id} is left")])
        log.emit(RunNote("too late"))
        log.seal(lambda record: [RunNote("and later")])
        return log

    log = asyncio.run(seal())

    assert replay(tmp_path / "journal.jsonl").notes == log.record.notes == ["r1 is left"]
    assert "r1" == log.ingest_here(tmp_path / "results.duckdb", patience_seconds=1.0).run_id
    log.close()
