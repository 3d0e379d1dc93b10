"""What an owner that was killed has left."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from pulseq.processes.abandoned import remove_abandoned


def test_it_goes_unless_somebody_holds_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "place" / "lock"
    lock.parent.mkdir()
    with open(lock, "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            remove_abandoned(lock)
        assert lock.exists()
    remove_abandoned(lock)
    assert not lock.parent.exists()
