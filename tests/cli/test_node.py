"""`pulseq node` and its verbs."""

from __future__ import annotations

import pytest

from pulseq.cli.main import run_command


def test_each_verb_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run_command(["node", "start", "--help"])

    told = capsys.readouterr().out
    assert all(option in told for option in ("--scheduler", "--credentials", "--id", "--label", "--slots", "--contact"))
