"""The manual page: it has what `--help` has."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pulseq.cli.main import app
from pulseq.cli.man import man, write_manual
from tests.test_docs import COMMANDS, OPTIONS


@functools.cache
def plain() -> str:
    return write_manual().replace(r"\-", "-").replace(r"\fB", "").replace(r"\fR", "")


def section(command: str) -> str:
    found = re.search(rf"^\.SS pulseq {command}$(.*?)(?=^\.S[SH]|\Z)", plain(), re.MULTILINE | re.DOTALL)
    assert found, f"the page has no section on {command!r}"
    return found[1]


@pytest.mark.parametrize("option", OPTIONS, ids="-".join)
def test_an_option_is_in_the_section_of_its_command(option: tuple[str, str]) -> None:
    command, name = option

    assert re.search(rf"(^|, ){re.escape(name)}( |,|$)", section(command), re.MULTILINE)


def test_every_command_has_its_section_and_says_what_it_does() -> None:
    for name, command in COMMANDS.items():
        if command.default_command is not None:
            [first, *_] = command.default_command.__doc__.splitlines()
            assert first.replace("`", "") in section(name)


def test_exit_codes_are_those_of_the_help() -> None:
    assert str(app.help_epilogue) in plain()


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == man()
    assert capsys.readouterr().out == write_manual()


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff on this machine")
def test_groff_has_nothing_to_say_of_it() -> None:
    checked = subprocess.run(
        ["groff", "-man", "-Tutf8", "-z", "-ww"], input=write_manual(), capture_output=True, text=True, check=True
    )

    assert checked.stderr == ""


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man on this machine")
def test_man_shows_it(tmp_path: Path) -> None:
    (tmp_path / "pulseq.1").write_text(write_manual())
    shown = subprocess.run(
        ["man", "-l", "--warnings", "pulseq.1"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stderr == ""
    assert "pulseq run [OPTIONS] [SUITES...]" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
