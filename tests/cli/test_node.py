"""`pulseq node` and its verbs."""

from __future__ import annotations

import pytest

from pulseq.cli.main import run_command


@pytest.mark.parametrize("verb", ["start", "install", "list", "drain", "undrain", "cordon"])
def test_each_verb_of_nodes_says_what_it_is_for(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["node", "--help"]) == 0
    assert f" {verb} " in capsys.readouterr().out
    assert run_command(["node", verb, "--help"]) == 0
    assert f"pulseq node {verb}" in capsys.readouterr().out


def test_what_a_node_is_to_be_can_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["node", "start", "--help"]) == 0

    told = capsys.readouterr().out
    assert all(option in told for option in ("--scheduler", "--credentials", "--id", "--label", "--slots", "--contact"))
