"""Hashing files, and bytes made small."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pulseq import blobs
from pulseq.blobs import ChangingFileError, NoRegularFileError, digest_of, grow, hash_file, shrink


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"some bytes")
    path.chmod(0o755)

    digest, state = hash_file(path)

    assert (hashlib.sha256(b"some bytes").digest(), 10, 0o755) == (digest, state.size, state.mode)
    assert digest == digest_of(b"some bytes")


def test_a_file_that_is_written_to_once_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    write_while_read(path, monkeypatch, times=1)

    assert digest_of(b"old+") == hash_file(path)[0]


def test_one_that_is_written_to_all_the_time_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    write_while_read(path, monkeypatch, times=100)

    with pytest.raises(ChangingFileError, match="written to each of the 5 times"):
        hash_file(path)


def write_while_read(path: Path, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    left, read = [times], os.read
    monkeypatch.setattr(blobs, "PAUSE_SECONDS", 0.0)

    def read_and_write(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        if data and left[0]:
            left[0] -= 1
            with open(path, "ab") as stream:
                stream.write(b"+")
        return data

    monkeypatch.setattr(os, "read", read_and_write)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, make: object) -> None:
    make(tmp_path / "f")  # type: ignore[operator]

    with pytest.raises(OSError) as caught:
        hash_file(tmp_path / "f")
    assert isinstance(caught.value, NoRegularFileError) or caught.value.errno is not None


def test_what_repeats_travels_compressed_and_comes_back() -> None:
    data = b"the same words again and again " * 5000
    small, compressed = shrink(data)

    assert compressed
    assert len(small) < len(data) / 10
    assert data == grow(small, len(data))


def test_what_does_not_get_smaller_travels_as_it_is() -> None:
    data = os.urandom(100_000)
    assert (data, False) == shrink(data)
    assert (b"", False) == shrink(b"")


def test_what_is_not_what_it_should_be_is_refused() -> None:
    small, _ = shrink(b"a" * 1000)
    for data, size in ((small, 999), (small, 1001), (b"no such data", 3)):
        with pytest.raises(ValueError, match="what came"):
            grow(data, size)
