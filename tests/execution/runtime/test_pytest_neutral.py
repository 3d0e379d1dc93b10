"""Options that make no sense where items are dealt out do nothing, and a selection only narrows."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.config import _prepareconfig

from pulseq.execution.runtime.pytest_neutral import make_neutral, narrow, refuse_running_nothing


def test_options_that_stop_or_wait_or_distribute_do_nothing() -> None:
    option = argparse.Namespace(numprocesses=4, dist="load", tx=["4*popen"], maxfail=1, usepdb=True, verbose=2)
    make_neutral(option)
    expected = {"numprocesses": None, "dist": "no", "tx": [], "maxfail": 0, "usepdb": False, "verbose": 2}
    assert expected == vars(option)


def test_an_option_of_a_plug_in_that_is_not_there_stays_away() -> None:
    option = argparse.Namespace()
    make_neutral(option)
    assert {} == vars(option)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--collect-only"], "--collect-only"),
        (["--setup-only"], "--setup-only"),
        (["--setup-plan"], "--setup-plan"),
        (["--fixtures"], "--fixtures"),
        (["--fixtures-per-test"], "--fixtures-per-test"),
        (["--markers"], "--markers"),
        (["--cache-show"], "--cache-show"),
        (["--cache-show=cache/*"], "--cache-show"),
        (["--help"], "--help"),
        (["--version", "--version"], "--version"),
    ],
)
def test_what_would_run_nothing_is_refused_by_its_name(arguments: list[str], told: str) -> None:
    option = _prepareconfig(["-p", "no:cov", *arguments], []).option
    with pytest.raises(pytest.UsageError, match=f"^{told} runs nothing: leave it out$"):
        refuse_running_nothing(option)


def test_an_option_that_runs_tests_is_not_refused() -> None:
    refuse_running_nothing(_prepareconfig(["--setup-show", "--cache-clear", "--trace-config"], []).option)
    refuse_running_nothing(argparse.Namespace())


@pytest.mark.parametrize(
    ("own", "asked", "expected"),
    [
        ("", "slow", "slow"),
        ("not net", "slow or db", "(not net) and (slow or db)"),
        ("not net", None, "not net"),
        ("not net", "", "not net"),
    ],
)
def test_an_expression_narrows_what_the_arguments_select(own: str, asked: str | None, expected: str) -> None:
    option = argparse.Namespace(keyword=own)
    narrow(option, "keyword", asked)
    assert expected == option.keyword


def in_a_process(code: str, **more: object) -> str:
    """What a program says that has these names at hand."""
    program = "from pulseq.execution.runtime.pytest_neutral import pose_as_pytest, printed\n" + code
    command = [sys.executable, "-c", program]
    return subprocess.run(command, text=True, check=True, capture_output=True, timeout=30, **more).stdout  # type: ignore[call-overload,no-any-return]


@pytest.mark.processes
def test_the_process_looks_like_python_m_pytest() -> None:
    said = in_a_process("""
import sys
pose_as_pytest(["-x", "tests"])
main = sys.modules["__main__"]
print(sys.argv[0].endswith("pytest/__main__.py"), sys.argv[1:], main.__file__ == sys.argv[0], main.__spec__.name)
""")
    assert "True ['-x', 'tests'] True pytest.__main__\n" == said


def test_what_was_printed_into_a_file_can_be_read_again(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w+") as out:
        code = "import sys; print('why', end=''); text = printed(); sys.stderr.write(text.upper())"
        program = f"from pulseq.execution.runtime.pytest_neutral import printed\n{code}"
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=out, stderr=subprocess.PIPE, text=True, check=True
        )
    assert "WHY" == done.stderr


def test_what_went_down_a_pipe_is_gone() -> None:
    assert "why\n''\n" == in_a_process("print('why'); print(repr(printed()))", cwd=os.getcwd())
