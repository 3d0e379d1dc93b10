from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.cli.main import run_command


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["drain"], "found no node, expected ids of nodes: `pulseq node list` tells them"),
        (["drain", "a", "--wait", "-1"], "--wait: found -1, expected seconds, 0 or more"),
        (["drain", "a", "--wait", "nan"], "--wait: found nan, expected seconds, 0 or more"),
        (["undrain", "a"], "expected some: `pulseq up` starts them, `--scheduler ADDRESS` names the Dask scheduler"),
        (["cordon", "a", "--scheduler", "nonsense"], "found 'nonsense', expected an address like"),
        (["list"], "expected some: `pulseq up` starts them"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["node", *words]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
