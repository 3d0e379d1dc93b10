"""The mistakes of the first day, in suites, nodes files and options: each with its whole message.

The messages are in `mistakes/`. A reader has to be able to mend each mistake at once with what it is told.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pulseq.cli import execute
from pulseq.cli.main import run_command

MISTAKES: list[Mapping[str, Any]] = [
    mistake
    for file in sorted(Path(__file__).with_name("mistakes").glob("*.yaml"))
    for mistake in yaml.safe_load(file.read_text(encoding="utf-8"))
]
RIGHT = 'tests:\n  - {id: a, command: "true"}\n'


def name_of(mistake: Mapping[str, Any]) -> str:
    return str(mistake.get("mistake") or mistake["command"])


def command_of(mistake: Mapping[str, Any]) -> str:
    nodes = " --nodes nodes.yaml" if "nodes" in mistake else ""
    return str(mistake.get("command") or f"check suite.yaml{nodes}")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a suite and a test that are right, and nothing that stands or is configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "suite.yaml").write_text(RIGHT)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_a(): pass\n")
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES, ids=name_of)
def test_a_mistake_is_told_whole(
    mistake: Mapping[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"suite.yaml": mistake.get("suite"), "nodes.yaml": mistake.get("nodes"), **mistake.get("files", {})}
    for name, text in files.items():
        if text is not None:
            (place / name).write_text(text)
    words = shlex.split(command_of(mistake))
    monkeypatch.setattr(sys, "argv", ["pulseq", *words])
    monkeypatch.setattr(execute, "_run", lambda *_: pytest.fail("a run was started"))

    code = run_command(words)

    told = capsys.readouterr()
    lines = [line.removeprefix("pulseq: ") for line in told.err.splitlines() if line.startswith("pulseq: ")]
    assert mistake["told"].replace("PLACE", str(place)).splitlines() == lines
    assert mistake.get("code", 4) == code
    assert told.out == ""
    assert not (place / "home").exists()


def test_no_mistake_is_there_twice() -> None:
    keys = ("suite", "nodes", "files")
    whole = [repr((command_of(mistake), *map(mistake.get, keys))) for mistake in MISTAKES]
    assert len(set(whole)) == len(whole)
