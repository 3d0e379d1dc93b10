"""What `--lf` and `--ff` know of earlier runs."""

from __future__ import annotations

import os
from pathlib import Path

from pulseq.distributed.previous import failed_before
from pulseq.events import Event, RunStarted, TestClosed, TestPlanned
from pulseq.models import Reason, Status
from pulseq.results.journal import JournalWriter


def _write_run(
    home: Path,
    run_id: str,
    verdicts: dict[str, Status | None],
    *,
    suite: str = "shop",
    at: int,
    body: str = "simulate",
) -> None:
    path = home / "runs" / run_id / "journal.jsonl"
    path.parent.mkdir(parents=True)
    events: list[Event] = [RunStarted(run_id, suite, float(at), "0")]
    for test_id, status in verdicts.items():
        events.append(TestPlanned(test_id, "", test_id, body, "medium"))
        if status is not None:
            reason = None if status is Status.PASSED else Reason.ASSERTION
            events.append(TestClosed(test_id, "", status, reason, flaky=False, attempts=1))
    writer = JournalWriter(path)
    for event in events:
        writer.append(event)
    writer.commit()
    writer.close()
    os.utime(path, (at, at))


def test_without_an_earlier_run_nothing_had_failed(tmp_path: Path) -> None:
    assert failed_before(tmp_path, "shop") == frozenset()


def test_failed_in_error_and_without_a_verdict_all_count(tmp_path: Path) -> None:
    verdicts = {
        "good": Status.PASSED,
        "skipped": Status.SKIPPED,
        "bad": Status.FAILED,
        "worse": Status.ERROR,
        "open": None,
    }
    _write_run(tmp_path, "r1", verdicts, at=1)

    assert failed_before(tmp_path, "shop") == {"bad", "worse", "open"}


def test_the_last_run_of_the_same_suite_counts(tmp_path: Path) -> None:
    _write_run(tmp_path, "a", {"old": Status.FAILED}, at=1)
    _write_run(tmp_path, "b", {"new": Status.FAILED}, at=2)
    _write_run(tmp_path, "c", {"other": Status.FAILED}, suite="bank", at=3)

    assert failed_before(tmp_path, "shop") == {"new"}


def test_the_command_of_a_case_that_failed_is_run_again(tmp_path: Path) -> None:
    verdicts: dict[str, Status | None] = {
        "java::shop.Cart::adds": Status.FAILED,
        "go::TestAdds": Status.PASSED,
        "a::b": Status.ERROR,
        "a": Status.PASSED,
    }
    _write_run(tmp_path, "r1", verdicts, at=1, body="command")

    assert failed_before(tmp_path, "shop") == {"java", "java::shop.Cart", "java::shop.Cart::adds", "a::b"}


def test_a_journal_that_holds_nothing_is_passed_over(tmp_path: Path) -> None:
    _write_run(tmp_path, "a", {"bad": Status.FAILED}, at=1)
    (tmp_path / "runs" / "b").mkdir()
    (tmp_path / "runs" / "b" / "journal.jsonl").write_bytes(b"\x00torn")

    assert failed_before(tmp_path, "shop") == {"bad"}
