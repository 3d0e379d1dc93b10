"""The command line's one place where an error becomes an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pulseq.cli import main
from pulseq.cli.main import run_command
from pulseq.errors import InfrastructureError, NothingToRunError, UsageError


def _fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(main, "app", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such suite"), 4),
        (NothingToRunError("nothing is left"), 5),
        (InfrastructureError("no server"), 10),
        (KeyboardInterrupt(), 2),
        (ValueError("not ours"), 3),
    ],
)
@pytest.mark.parametrize("options", [[], ["-v"], ["--output", "json"], ["--output=json", "--verbose"]])
def test_an_error_has_its_exit_code_however_it_is_told(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, options: list[str]
) -> None:
    _fails_with(monkeypatch, error)

    assert run_command(["run", "suite.yaml", *options]) == code


def test_a_known_error_is_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fails_with(monkeypatch, UsageError("found no file 'gone.yaml'"))

    run_command(["run", "gone.yaml"])

    assert capsys.readouterr() == ("", "pulseq: found no file 'gone.yaml'\n")


def test_verbose_shows_the_traceback_before_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fails_with(monkeypatch, UsageError("found no file 'gone.yaml'"))

    run_command(["run", "gone.yaml", "-v"])

    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.endswith("\npulseq: found no file 'gone.yaml'\n")


def test_what_follows_the_dashes_is_not_for_us(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fails_with(monkeypatch, UsageError("pytest: no"))

    run_command(["run", "tests", "--", "-v", "--output", "json"])

    assert capsys.readouterr() == ("", "pulseq: pytest: no\n")


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (UsageError("no such suite"), 4, "usage_error"),
        (InfrastructureError("no server"), 10, "no_verdict"),
        (ValueError("not ours"), 3, "internal_error"),
    ],
)
def test_json_is_printed_for_a_run_that_never_was(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    reason: str,
) -> None:
    _fails_with(monkeypatch, error)

    run_command(["run", "suite.yaml", "--output", "json"])

    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], told["reason"], told["run_id"], told["counts"]["total"]) == (code, reason, None, 0)
    assert str(error) in told["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rum"], "did you mean 'run'?"),
        (["xyzzy"], f"expected one of {', '.join(main.COMMANDS)}"),
        (["run", "--no-such-option"], "(see `pulseq run --help`)"),
    ],
)
def test_a_command_line_that_makes_no_sense_says_what_does(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run_command(arguments) == 4
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("run", "What follows `--` goes to pytest."),
        ("sql", "Tables: runs, tests, attempts"),
        ("node start", "After a lost scheduler or network it joins again by itself."),
        ("node drain", "It holds for all runs, those that begin later too"),
        ("results sync", "Rows that somebody has changed are taken in again"),
    ],
)
def test_help_has_all_that_a_verb_says_of_itself(capsys: pytest.CaptureFixture[str], verb: str, words: str) -> None:
    assert run_command([*verb.split(), "--help"]) == 0
    assert words in " ".join(capsys.readouterr().out.split())


def test_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _fails_with(monkeypatch, BrokenPipeError())
    monkeypatch.setattr("sys.stdout", sys.stdout)  # so that what is put in its place is taken away again

    assert run_command(["sql", "from results"]) == 0
    sys.stdout.close()


@pytest.mark.parametrize("answer", [lambda _: 0, lambda _: None])
def test_a_command_that_says_nothing_ends_well(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[list[str]], int | None]
) -> None:
    monkeypatch.setattr(main, "app", answer)

    assert run_command(["run"]) == 0


@pytest.mark.processes
@pytest.mark.parametrize(
    ("redirection", "arguments", "code"),
    [
        (">&-", ["check", "suite.yaml"], 0),
        ("2>&-", ["check", "suite.yaml"], 0),
        ("0<&-", ["check", "suite.yaml"], 0),
        ("2>/dev/full", ["check", "gone.yaml"], 4),
        ("2>&-", ["check", "gone.yaml"], 4),
        (">/dev/full", ["--help"], 3),
    ],
)
def test_the_exit_code_tells_the_outcome_wherever_the_words_go(
    redirection: str, arguments: list[str], code: int, tmp_path: Path
) -> None:
    (tmp_path / "suite.yaml").write_text("suite: one\ntests:\n  - {id: a, command: ['true']}\n")
    asked = subprocess.run(
        ["sh", "-c", f'exec "$0" -m pulseq "$@" {redirection}', sys.executable, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.returncode == code, asked.stderr
    assert "Traceback" not in asked.stderr
