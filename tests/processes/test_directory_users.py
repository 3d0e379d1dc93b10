"""Who has to do with a directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.processes.directory_users import has_users
from tests.accounts import SOMEBODY, needs_two_accounts

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
    code = f"{WAYS[way]}\nimport sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "d" / "f")],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert has_users(tmp_path / "d")
        assert not has_users(tmp_path / "other")
        process.communicate()
    assert not has_users(tmp_path / "d")


def test_who_was_there_before_the_directory_is_found_once_he_is_in_it(tmp_path: Path) -> None:
    code = "import os, sys; sys.stdin.readline(); os.chdir(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "d")], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        (tmp_path / "d").mkdir()
        assert not has_users(tmp_path / "d")
        print(file=process.stdin, flush=True)
        process.stdout.readline()
        assert has_users(tmp_path / "d")
        process.communicate()


@needs_two_accounts
def test_root_finds_those_of_other_accounts(tmp_path: Path) -> None:
    # It becomes somebody else when it is there: the way there is not for all.
    with subprocess.Popen(["cat"], cwd=tmp_path, user=SOMEBODY, stdin=subprocess.PIPE) as process:
        assert has_users(tmp_path)
        process.communicate()
    assert not has_users(tmp_path)


def test_where_processes_are_not_shown_there_may_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.processes.directory_users._PROC", str(tmp_path / "none"))
    assert has_users(tmp_path)
