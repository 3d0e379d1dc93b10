"""Who has to do with a directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.processes.directory_users import has_users, seconds_up

#: What a process does with the file that it is given, until its input ends.
WAYS = {
    "is in it": "import os, sys; os.chdir(os.path.dirname(sys.argv[1]))",
    "has a file open": "import sys; stream = open(sys.argv[1])",
    "has a file in its memory alone": (
        "import mmap, sys\nwith open(sys.argv[1], 'r+b') as stream: data = mmap.mmap(stream.fileno(), 0)"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_uses_it_is_found_for_as_long_as_he_does(tmp_path: Path, way: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("x")
    since = seconds_up()
    code = f"{WAYS[way]}\nimport sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "d" / "f")],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert has_users(tmp_path / "d", since=since)
        assert not has_users(tmp_path / "other", since=since)
        process.communicate()
    assert not has_users(tmp_path / "d", since=since)


def test_who_was_there_before_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with (tmp_path / "f").open():
        assert has_users(tmp_path, since=0)
        assert not has_users(tmp_path, since=seconds_up())


def test_where_processes_are_not_shown_there_may_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.processes.directory_users._PROC", str(tmp_path / "none"))
    assert has_users(tmp_path, since=0)
