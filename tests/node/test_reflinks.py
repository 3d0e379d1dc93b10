"""Copies that share nothing that one could write to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pulseq.node.reflinks import copy_large, write_file


def test_a_file_is_written_once_with_its_mode(tmp_path: Path) -> None:
    write_file(tmp_path / "f", b"bytes", mode=0o751)

    assert (b"bytes", 0o751) == ((tmp_path / "f").read_bytes(), (tmp_path / "f").stat().st_mode & 0o777)
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "f", b"others", mode=0o600)


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_file_of_many_parts_has_them_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_cut_off: bool
) -> None:
    parts = [f"{number} ".encode() for number in range(2_000)]
    if is_cut_off:
        monkeypatch.setattr(os, "writev", lambda descriptor, some: os.write(descriptor, b"".join(some)[:3]))
    write_file(tmp_path / "f", *parts, mode=0o600)
    assert b"".join(parts) == (tmp_path / "f").read_bytes()


@pytest.mark.parametrize("error", [None, errno.EXDEV, errno.EOPNOTSUPP])
def test_a_copy_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None) -> None:
    def refuse(*_: object) -> int:
        assert error is not None
        raise OSError(error, "no")

    if error is not None:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    copy_large(tmp_path / "f", tmp_path / "g", mode=0o644)
    with open(tmp_path / "g", "r+b") as stream:
        stream.write(b"changed")

    assert data == (tmp_path / "f").read_bytes()
    assert b"changed" + data[7:] == (tmp_path / "g").read_bytes()


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    (tmp_path / "f").write_bytes(b"x" * 5)
    with pytest.raises(OSError, match="No space left"):
        copy_large(tmp_path / "f", tmp_path / "g", mode=0o644)
