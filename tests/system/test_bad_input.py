"""Bad input: one clear message, exit 4, nothing started, nothing left behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import duckdb
import pytest

from tests.system.workplace import Finished, Workplace

GOOD = "suite: good\ntests:\n  - {id: one, simulate: {duration: 0}}\n"


def _refused(workplace: Workplace, run: Finished, code: int = 4) -> str:
    assert run.code == code, run.err
    assert run.out == ""
    assert "Traceback" not in run.err
    assert not workplace.processes()
    return run.err


def test_a_missing_suite(bare_workplace: Workplace) -> None:
    assert "found no file or directory 'gone.yaml'" in _refused(bare_workplace, bare_workplace.run("run", "gone.yaml"))
    assert not bare_workplace.home.exists()


def test_a_missing_suite_where_runs_have_been(bare_workplace: Workplace) -> None:
    (bare_workplace.home / "prefect").mkdir(parents=True)

    assert "found no file or directory 'gone.yaml'" in _refused(bare_workplace, bare_workplace.run("run", "gone.yaml"))
    # The server that has begun to load meanwhile has written nothing.
    assert [bare_workplace.home / "prefect"] == list(bare_workplace.home.rglob("*"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "suite.yaml"),
        ("tests: [", "suite.yaml:"),
        ("suite: s\ntests:\n  - {id: a, comand: [x]}\n", "did you mean 'command'?"),
        ("suite: s\ntests:\n  - {id: a, command: x}\n  - {id: a, command: x}\n", "suite.yaml:4"),
        ("suite: s\ntests:\n  - {id: a}\n", "expected exactly one"),
    ],
)
def test_a_suite_that_is_not_one(bare_workplace: Workplace, text: str, words: str) -> None:
    suite = bare_workplace.write("suite.yaml", text)

    assert words in _refused(bare_workplace, bare_workplace.run("run", suite))
    assert not bare_workplace.home.exists()


def test_a_suite_without_tests_is_nothing_to_run(bare_workplace: Workplace) -> None:
    suite = bare_workplace.write("suite.yaml", "suite: s\ntests: []\n")

    assert "has no tests: add one" in _refused(bare_workplace, bare_workplace.run("run", suite), 5)
    assert not bare_workplace.home.exists()


def test_a_node_file_with_a_used_port(bare_workplace: Workplace) -> None:
    suite = bare_workplace.write("suite.yaml", GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        nodes = bare_workplace.write("nodes.yaml", f"nodes:\n  - {{id: a, host: localhost, port: {port}}}\n")

        err = _refused(bare_workplace, bare_workplace.run("run", suite, "--nodes", nodes))

    assert f"node 'a': port {port} is in use" in err
    assert not bare_workplace.home.exists()


def test_an_unreachable_prefect_api(bare_workplace: Workplace) -> None:
    suite = bare_workplace.write("suite.yaml", GOOD)

    run = bare_workplace.run("run", suite, PREFECT_API_URL="http://127.0.0.1:9/api")

    assert "the Prefect API at 'http://127.0.0.1:9/api' does not answer" in _refused(bare_workplace, run, 10)


def test_an_unreachable_scheduler(workplace: Workplace) -> None:
    suite = workplace.write("suite.yaml", GOOD)

    run = workplace.run("run", suite, "--scheduler", "tcp://127.0.0.1:9")

    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in _refused(workplace, run, 10)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; the next test shows the same as root")
def test_a_state_directory_without_permission(bare_workplace: Workplace) -> None:
    suite = bare_workplace.write("suite.yaml", GOOD)
    bare_workplace.home.mkdir(mode=0o500)

    assert "cannot be written" in _refused(bare_workplace, bare_workplace.run("run", suite))


def test_a_state_directory_that_is_a_file(bare_workplace: Workplace) -> None:
    suite = bare_workplace.write("suite.yaml", GOOD)
    bare_workplace.home.write_text("")

    assert "cannot be written" in _refused(bare_workplace, bare_workplace.run("run", suite))


def test_a_database_of_a_newer_schema(bare_workplace: Workplace) -> None:
    suite = bare_workplace.write("suite.yaml", GOOD)
    bare_workplace.home.mkdir()
    _write_schema_version(bare_workplace.database, 99)

    err = _refused(bare_workplace, bare_workplace.run("run", suite))

    assert "99" in err
    assert not (bare_workplace.home / "runs").exists()


def _write_schema_version(path: Path, version: int) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table pulseq_schema (version integer, created_at timestamptz)")
        connection.execute("insert into pulseq_schema values (?, now())", [version])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--timeout", "-1"], "--timeout: found -1.0"),
        (["-n", "many"], "-n: found 'many'"),
        (["--run-id", "../x"], "--run-id: found '../x'"),
        (["-k", "(a"], "-k"),
        (["--granularity", "each"], "each"),
        (["--junitxml", "/proc/none/x.xml"], "cannot be written"),
        (["--nope"], "Unknown option"),
    ],
)
def test_options_that_make_no_sense(bare_workplace: Workplace, arguments: list[str], words: str) -> None:
    suite = bare_workplace.write("suite.yaml", GOOD)

    assert words in _refused(bare_workplace, bare_workplace.run("run", suite, *arguments))


def test_a_pytest_that_refuses_its_arguments(workplace: Workplace) -> None:
    workplace.write("tests/test_a.py", "def test_a(): pass\n")

    run = workplace.run("run", "tests", "-n", "1", "--", "--no-such-option")

    assert "--no-such-option" in _refused(workplace, run)
    in_database = workplace.sql("select run_id from runs") if workplace.database.exists() else []
    journals = sorted(path.parent.name for path in workplace.home.glob("runs/*/journal.jsonl"))
    assert sorted(row["run_id"] for row in in_database) == journals
