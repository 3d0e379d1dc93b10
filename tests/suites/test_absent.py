"""What a test names that is not there, with the whole message; and what is there, in all the ways to name it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pulseq.models import TestCase
from pulseq.suites.absent import Absences, find_absent

LoadTest = Callable[[str], TestCase]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory with a few things that tests name, and a `PATH` with the system's programs."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    _make_program(tmp_path / "run.sh", "#!/bin/sh\n")
    _make_program(tmp_path / "by-env", "#!/usr/bin/env sh\n")
    _make_program(tmp_path / "old.py", "#!/opt/none/python2 -u\n")
    _make_program(tmp_path / "by-env.py", "#!/usr/bin/env python2.0\n")
    _make_program(tmp_path / "tools" / "own-tool", "#!/bin/sh\n")
    (tmp_path / "check.py").touch()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    return str(tmp_path)


def _make_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "command: [none-such, x]",
            "command: found no program 'none-such' on PATH, expected one, or a path to it such as ./none-such",
        ),
        (
            "command: MODE=fast make",
            "command: found 'MODE=fast' in a program's place, expected the variable under the key env: {MODE: fast}",
        ),
        (
            "command: MODE= make",
            "command: found 'MODE=' in a program's place, expected the variable under the key env: {MODE: ''}",
        ),
        (
            "command: cd tests",
            "command: found 'cd', which only a shell has, expected the key cwd, or shell: true beside it",
        ),
        (
            "command: source x",
            "command: found 'source', which only a shell has, expected a program, or shell: true beside it",
        ),
        ("command: ./rum.sh", "command: found no program '{place}/rum.sh'; did you mean '{place}/run.sh'?"),
        (
            "command: ./check.py",
            "command: found './check.py', which is not executable, expected a program: try `chmod +x`",
        ),
        ("command: ./tests", "command: found './tests', which is a directory, expected a program"),
        (
            "command: ./old.py",
            "command: found no program '/opt/none/python2', which the first line of './old.py' names",
        ),
        ("command: ./by-env.py", "command: found no program 'python2.0', which the first line of './by-env.py' names"),
        (
            "command: python3 chek.py",
            "command: found no file or directory '{place}/chek.py'; did you mean '{place}/check.py'?",
        ),
        (
            "command: own-tool, env: {PATH: none}",
            "command: found no program 'own-tool' on PATH, expected one, or a path to it such as ./own-tool",
        ),
        ("command: 'true', cwd: tets", "cwd: found no directory '{place}/tets'; did you mean '{place}/tests'?"),
        (
            "pytest: [tests, tests/test_b.py::test_x]",
            "pytest: found no file or directory '{place}/tests/test_b.py'; did you mean '{place}/tests/test_a.py'?",
        ),
        ("pytest: tests, cwd: none", "cwd: found no directory '{place}/none'"),
        ("pytest: tests, python: .venv/bin/python", "python: found no interpreter '{place}/.venv/bin/python'"),
        (
            "call: 'a:b', python: python9",
            "python: found no interpreter 'python9' on PATH, expected one, or a path such as .venv/bin/python",
        ),
        (
            "call: 'a:b', python: ./tests",
            "python: found '{place}/tests', which is no program, expected an interpreter such as .venv/bin/python",
        ),
    ],
)
def test_what_is_not_there_is_told(load_test: LoadTest, place: str, keys: str, message: str) -> None:
    assert [message.replace("{place}", place)] == [absent.told for absent in find_absent(load_test(keys))]


@pytest.mark.parametrize(
    "keys",
    [
        "command: [sh, -c, 'none-such']",
        "command: none-such | wc, shell: true",
        "command: ./run.sh",
        "command: ./by-env",
        "command: ../run.sh, cwd: tests",
        "command: python3 check.py",
        "command: python3 -m none_such",
        "command: python3",
        "command: own-tool, env: {PATH: tools}",
        "command: sh ls",
        "pytest: [tests, 'tests/test_a.py::test_x[a/b]']",
        "pytest: none_such, args: --pyargs",
        "call: 'none_such:f', python: python3",
        "http: {url: 'http://x'}, cwd: none",
        "simulate: {}, cwd: none",
    ],
)
def test_what_is_there_or_may_be_is_not(load_test: LoadTest, keys: str) -> None:
    assert [] == list(find_absent(load_test(keys)))


def test_a_program_beside_our_own_python_is_found_as_by_a_node(
    load_test: LoadTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make_program(tmp_path / "venv" / "only-here", "#!/bin/sh\n")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))

    assert [] == list(find_absent(load_test("command: only-here")))


def test_a_path_of_our_own_python_is_an_interpreter(load_test: LoadTest) -> None:
    python = os.path.relpath(sys.executable)

    assert [] == list(find_absent(load_test(f"call: 'a:b', python: {python}")))


def test_tests_that_name_the_same_are_told_the_same_and_others_not(load_test: LoadTest) -> None:
    absences = Absences()
    there = [
        "command: ./run.sh",
        "command: own-tool, env: {PATH: tools}",
        "pytest: none, args: --pyargs",
        "call: 'a:b'",
    ]
    gone = ["command: ./gone.sh", "command: own-tool", "pytest: none", "call: 'a:b', python: none"]
    for keys in (*there, *gone, *there, *gone):
        test = load_test(keys)
        assert tuple(find_absent(test)) == absences.find(test)
        assert bool(absences.find(test)) == (keys in gone)
