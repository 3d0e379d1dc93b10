"""Completion, in the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulseq.cli.completion import completion, write_completion
from pulseq.cli.main import COMMANDS
from tests.cli.shells import Terminal, open_terminal

SHELLS = ["bash", "zsh", "fish"]


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell} on this machine")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("place")
    (path / "suites of mine").mkdir()
    (path / "suites of mine" / "shop.yaml").touch()
    (path / "results").mkdir()
    return path


@pytest.fixture(scope="module")
def bash(place: Path) -> Iterator[Terminal]:
    (place / "script").write_text(write_completion("bash"))
    with open_terminal(["bash", "--norc", "--noprofile", "-i"], place) as terminal:
        terminal.enter("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; . ./script")
        yield terminal


@pytest.fixture(scope="module", params=["of $fpath", "of a person's own"])
def zsh(place: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    (place / "functions").mkdir(exist_ok=True)
    (place / "functions" / "_pulseq").write_text(write_completion("zsh"))
    with open_terminal(["zsh", "-f", "-i"], place) as terminal:
        terminal.enter("unsetopt prompt_sp zle_bracketed_paste; unset zle_bracketed_paste; setopt no_beep")
        if request.param == "of $fpath":
            terminal.enter("fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D")
        else:
            terminal.enter("autoload -U compinit; compinit -u -D; . functions/_pulseq")
        yield terminal


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_has_every_verb(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == completion(shell)

    script = capsys.readouterr().out
    assert [] == [verb for verb in COMMANDS if verb not in script]


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=needs(shell)) for shell in SHELLS])
def test_the_shell_can_read_it(shell: str) -> None:
    read = subprocess.run([shell, "-n"], input=write_completion(shell), capture_output=True, text=True, check=False)

    assert (read.returncode, read.stderr) == (0, "")


TYPED = [
    ("pulseq ru", "pulseq run"),
    ("pulseq docto", "pulseq doctor"),
    ("pulseq results sy", "pulseq results sync"),
    ("pulseq run --granu", "pulseq run --granularity"),
    ("pulseq run --granularity fi", "pulseq run --granularity file"),
    ("pulseq completion zs", "pulseq completion zsh"),
]
FILES = [
    ("pulseq run suites", "pulseq run suites of mine/"),
    ("pulseq run -x suites", "pulseq run -x suites of mine/"),
    ("pulseq check suites\\ of\\ mine/sh", "pulseq check suites of mine/shop.yaml"),
    ("pulseq run x --nodes suites", "pulseq run x --nodes suites of mine/"),
]


@pytest.mark.processes
@needs("bash")
@pytest.mark.parametrize(("typed", "completed"), [*TYPED, *FILES])
def test_bash_completes(bash: Terminal, typed: str, completed: str) -> None:
    assert bash.complete(typed) == completed


@pytest.mark.processes
@needs("zsh")
@pytest.mark.parametrize(("typed", "completed"), [*TYPED, *FILES])
def test_zsh_completes(zsh: Terminal, typed: str, completed: str) -> None:
    assert zsh.complete(typed) == completed.removesuffix("/")  # which zsh takes away again where one goes on


@pytest.mark.processes
@needs("fish")
@pytest.mark.parametrize(("typed", "completed"), TYPED)
def test_fish_completes(place: Path, typed: str, completed: str) -> None:
    (place / "pulseq.fish").write_text(write_completion("fish"))
    asked = subprocess.run(
        ["fish", "--no-config", "-c", f"source pulseq.fish; complete -C {typed!r}"],
        cwd=place,
        env={"HOME": str(place), "PATH": "/usr/bin:/bin", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert completed.split()[-1] in [line.split("\t")[0] for line in asked.stdout.splitlines()]


@pytest.mark.processes
@needs("fish")
def test_in_fish_the_first_word_is_no_file(place: Path) -> None:
    (place / "pulseq.fish").write_text(write_completion("fish"))
    command = "source pulseq.fish; complete -C 'pulseq '; echo ==; complete -C 'pulseq run suites'"
    environment = {"HOME": str(place), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    asked = subprocess.run(
        ["fish", "--no-config", "-c", command], cwd=place, env=environment, capture_output=True, text=True, check=True
    )
    first, _, second = asked.stdout.partition("==\n")

    assert set(COMMANDS) == {line.split("\t")[0] for line in first.splitlines()}
    assert "suites of mine/" in second
