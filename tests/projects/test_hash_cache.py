"""Hashes kept from run to run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulseq.blobs import digest_of
from pulseq.projects import hash_cache
from pulseq.projects.hash_cache import HashCache


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read, in their order; what was written to just now counts as old."""
    files: list[str] = []
    hash_file = hash_cache.hash_file

    def note(path: Path) -> object:
        files.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(hash_cache, "hash_file", note)
    monkeypatch.setattr(hash_cache, "_FRESH_SECONDS", -1.0)
    return files


def hash_all(home: Path, root: Path) -> list[bytes]:
    cache = HashCache.of_project(home, root)
    digests = [cache.hash(root, name)[0] for name in ("a.py", "src/b.py")]
    cache.keep()
    return digests


def test_only_what_was_written_to_is_read_again(project: Path, tmp_path: Path, read: list[str]) -> None:
    home = tmp_path / "home"
    first = hash_all(home, project)
    (project / "a.py").write_text("other")
    second = hash_all(home, project)

    assert ["a.py", "b.py", "a.py"] == read
    assert [digest_of(b"a.py"), digest_of(b"src/b.py")] == first
    assert [digest_of(b"other"), digest_of(b"src/b.py")] == second


def test_a_change_that_hides_its_time_is_seen(project: Path, tmp_path: Path, read: list[str]) -> None:
    home = tmp_path / "home"
    before = os.stat(project / "a.py")
    hash_all(home, project)
    (project / "a.py").write_text("y.ab")
    os.utime(project / "a.py", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert digest_of(b"y.ab") == hash_all(home, project)[0]


def test_what_was_just_written_is_read_again(
    project: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_cache, "_FRESH_SECONDS", 1000.0)
    for _ in range(2):
        hash_all(tmp_path / "home", project)

    assert ["a.py", "b.py"] * 2 == read


def test_a_cache_that_is_none_counts_as_empty(project: Path, tmp_path: Path, read: list[str]) -> None:
    hash_all(tmp_path / "home", project)
    (kept,) = (tmp_path / "home" / "projects").iterdir()
    kept.write_bytes(b"\xff no such thing")
    hash_all(tmp_path / "home", project)

    assert ["a.py", "b.py"] * 2 == read
    assert 0o600 == kept.stat().st_mode & 0o777
