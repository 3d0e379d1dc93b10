from __future__ import annotations

import pytest

from pulseq.cli.main import run_command


@pytest.mark.parametrize("verb", ["list", "drain", "undrain", "cordon"])
def test_each_verb_of_nodes_says_what_it_is_for(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["node", "--help"]) == 0
    assert f" {verb} " in capsys.readouterr().out
    assert run_command(["node", verb, "--help"]) == 0
    assert f"pulseq node {verb}" in capsys.readouterr().out
