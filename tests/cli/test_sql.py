"""`pulseq sql` as it is called: what goes to a terminal, what into a file."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

import pytest

from pulseq.cli.main import run_command
from pulseq.results.database import Database

HOSTILE = "select '=1' || chr(27) || '[31m' as a"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One that nobody changes."""
    path = tmp_path_factory.mktemp("sql") / "results.duckdb"
    with Database(path).write():
        return str(path)


@pytest.mark.processes
@pytest.mark.parametrize(("more", "cell"), [([], "'=1\x1b[31m"), (["--raw"], "=1\x1b[31m")])
def test_csv_for_a_file(database: str, capsys: pytest.CaptureFixture[str], more: list[str], cell: str) -> None:
    assert run_command(["sql", HOSTILE, "--db", database, "--format", "csv", *more]) == 0
    assert capsys.readouterr().out == f"a\n{cell}\n"


@pytest.mark.processes
def test_json_has_the_text_as_it_is(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["sql", HOSTILE, "--db", database, "--format", "json"]) == 0
    assert capsys.readouterr().out == '[\n  {\n    "a": "=1\\u001b[31m"\n  }\n]\n'


def read_terminal(terminal: IO[bytes]) -> bytes:
    """What has come; nothing at its end, which Linux tells as an error."""
    try:
        return terminal.read(10_000)
    except OSError:
        return b""


@pytest.mark.processes
@pytest.mark.parametrize("written_as", ["table", "json", "csv"])
def test_nothing_reaches_a_terminal_raw(database: str, written_as: str) -> None:
    command = [sys.executable, "-m", "pulseq", "sql", HOSTILE, "--db", database, "--format", written_as, "--raw"]
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        with open(theirs, "wb", buffering=0) as other_end:
            subprocess.run(command, stdout=other_end, stderr=subprocess.PIPE, check=True)
        shown = b"".join(iter(lambda: read_terminal(terminal), b""))
    assert b"[31m" in shown
    assert b"\x1b" not in shown


@pytest.mark.processes
@pytest.mark.parametrize("columns", ["80", "200"])
def test_an_id_is_whole_on_a_terminal_of_any_width(database: str, columns: str) -> None:
    whole = "tests/unit/test_cart.py::TestCart::test_total[" + "x" * 60 + "]"
    command = [sys.executable, "-m", "pulseq", "sql", f"select '{whole}' as test_id, 1 as count", "--db", database]
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        with open(theirs, "wb", buffering=0) as other_end:
            subprocess.run(command, stdout=other_end, env={**os.environ, "COLUMNS": columns}, check=True)
        shown = b"".join(iter(lambda: read_terminal(terminal), b"")).decode().splitlines()
    assert any(whole in line for line in shown)
    assert [line for line in shown if whole not in line and len(line) > int(columns)] == []
    assert shown[0].startswith("-- row 1 -" if columns == "80" else "test_id ")
