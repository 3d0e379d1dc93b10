import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pulseq.results.database import Database

pytestmark = pytest.mark.processes


@pytest.fixture
def path(database: Database) -> Path:
    return database.path


def start() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pulseq.results.sandbox_child"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def request(path: Path, query: str, max_rows: int | None = None) -> bytes:
    wanted = {"path": str(path), "query": query, "max_rows": max_rows, "timeout_seconds": 60, "patience_seconds": 1}
    return json.dumps(wanted).encode() + b"\n"


def answer(path: Path, query: str, max_rows: int | None = None) -> list[Any]:
    with start() as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(request(path, query, max_rows))
        child.stdin.flush()
        return [json.loads(line) for line in child.stdout]


def test_an_answer_is_told_line_by_line(path: Path) -> None:
    assert answer(path, "select 1::integer as a") == [
        {"opened": True},
        {"columns": ["a"], "types": ["INTEGER"]},
        {"count": 1, "rows": [[1]]},
        {"truncated": False},
    ]


def test_rows_come_in_lines_of_bounded_length(path: Path) -> None:
    lines = answer(path, "from range(1200)")
    assert [len(line["rows"]) for line in lines if "rows" in line] == [500, 500, 200]


def test_long_rows_come_in_lines_of_their_own(path: Path) -> None:
    lines = answer(path, "select repeat('x', 700_000) from range(5)")
    assert [len(line["rows"]) for line in lines if "rows" in line] == [1] * 5


def test_no_more_rows_come_than_were_asked_for(path: Path) -> None:
    assert answer(path, "from range(5)", 2)[2:] == [{"count": 2, "rows": [[0], [1]]}, {"truncated": True}]


def test_an_error_is_told_with_its_kind(path: Path) -> None:
    opened, error = answer(path, "drop table runs")
    assert (opened, error["kind"]) == ({"opened": True}, "UsageError")


def test_a_file_that_cannot_be_opened_is_told_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_bytes(b"damage")
    (error,) = answer(tmp_path / "x.duckdb", "select 1")
    assert error["kind"] == "DatabaseDamagedError"


def test_the_end_of_its_input_ends_it_in_the_middle_of_a_query(path: Path) -> None:
    with start() as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(request(path, "select count(*) from range(10000000000000)"))
        child.stdin.flush()
        assert json.loads(child.stdout.readline()) == {"opened": True}
        child.stdin.close()
        assert child.wait(60) == 1
