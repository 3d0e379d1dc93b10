"""What is told of a state directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.results.database import Database
from pulseq.standing.findings import Grade
from pulseq.standing.home_findings import examine_database, examine_home

HOLD = """
import sys
from pathlib import Path
from pulseq.results.database import Database
with Database(Path(sys.argv[1])).write():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("mode", "grade"),
    [(0o700, Grade.OK), (0o750, Grade.ATTENTION), (0o705, Grade.ATTENTION), (0o770, Grade.BAD), (0o702, Grade.BAD)],
)
def test_the_mode_of_the_directory_decides(tmp_path: Path, mode: int, grade: Grade) -> None:
    home = tmp_path / "home"
    (home / "runs" / "one").mkdir(parents=True)
    home.chmod(mode)

    finding = examine_home(home)

    assert (finding.grade, f"mode {mode:03o}, 1 runs" in finding.found) == (grade, True)
    assert (f"`chmod 700 {home}`" in finding.advice) == (grade is not Grade.OK)


def test_a_directory_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    assert examine_home(tmp_path / "gone").grade is Grade.OK
    assert not (tmp_path / "gone").exists()


def test_a_file_in_its_place_is(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    assert examine_home(tmp_path / "home").grade is Grade.BAD


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_bad(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, -1)

    finding = examine_home(tmp_path)

    assert (finding.grade, "set PULSEQ_HOME to a directory of your own" in finding.advice) == (Grade.BAD, True)


def test_a_database_is_opened_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "results.duckdb"
    assert examine_database(tmp_path).found == f"{path}: not there yet"
    with Database(path).write() as connection:
        connection.execute("SELECT 1")
    before = path.read_bytes()

    finding = examine_database(tmp_path)

    assert (finding.grade, finding.found.endswith("can be read"), path.read_bytes() == before) == (Grade.OK, True, True)


@pytest.mark.processes
def test_a_database_that_somebody_holds_is_told_with_who(tmp_path: Path) -> None:
    path = tmp_path / "results.duckdb"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        finding = examine_database(tmp_path)
        holder.communicate()

    assert (finding.grade, f"({holder.pid})" in finding.found) == (Grade.ATTENTION, True)
    assert "close it there" in finding.advice


def test_a_damaged_database_is_bad(tmp_path: Path) -> None:
    (tmp_path / "results.duckdb").write_bytes(b"no database" * 1000)

    finding = examine_database(tmp_path)

    assert (finding.grade, bool(finding.advice)) == (Grade.BAD, True)
