"""Attempts that fail for what their machine has not: they are lost with it, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pulseq.models import AttemptResult, Reason, Status
from pulseq.node.machine_want import LEAST_FREE_BYTES, blame_for_collection, blame_machine
from pulseq.pytest_sessions import Collection


def result(reason: Reason | None = Reason.SETUP, *, held: float = 0.0, **more: Any) -> AttemptResult:
    status = Status.PASSED if reason is None else Status.ERROR
    return AttemptResult("t", 1, "n", status, reason=reason, error="no", metrics={"memory_usage": held}, **more)


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    usage = type(shutil.disk_usage("/"))(2 * count, count, count)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_what_cannot_begin_on_a_full_disk_is_lost_with_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, LEAST_FREE_BYTES - 1)
    for reason in (Reason.SETUP, Reason.INTERNAL):
        told = blame_machine(result(reason), tmp_path, None)
        assert (Reason.NODE_LOST, f"the disk of this machine is full, at {tmp_path}: no") == (told.reason, told.error)


def test_what_has_a_body_may_have_filled_the_disk_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 0)
    for one in (result(held=5.0), result(Reason.EXCEPTION), result(None)):
        assert one == blame_machine(one, tmp_path, None)


def test_where_there_is_space_a_setup_is_the_tests_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, LEAST_FREE_BYTES)
    assert result() == blame_machine(result(), tmp_path, str(tmp_path))


def test_nothing_that_failed_counts_where_the_workspace_is_gone(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for one in (result(), result(Reason.EXIT_CODE, held=5.0)):
        told = blame_machine(one, tmp_path, gone)
        assert (Reason.NODE_LOST, Status.ERROR) == (told.reason, told.status)
        assert told.error == "the project that was brought to this machine has been removed: no"
    for one in (result(None), result(Reason.CANCELLED), result(rerun=True)):
        assert one == blame_machine(one, tmp_path, gone)


def test_who_could_not_collect_says_what_the_machine_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Collection((), usage_error="no")
    assert refused == blame_for_collection(refused, tmp_path, None)
    free(monkeypatch, 0)
    assert f"the disk of this machine is full, at {tmp_path}" == (
        blame_for_collection(refused, tmp_path, None).machine_wants
    )
    assert Collection(()) == blame_for_collection(Collection(()), tmp_path, None)
