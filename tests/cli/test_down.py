from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.cli import down as down_module
from pulseq.cli.down import down
from pulseq.cli.main import run_command
from pulseq.cluster.standing_cluster import Condition, StandingCluster, write_cluster
from pulseq.fleet import Fleet, NodeSpec
from pulseq.processes.process_id import ProcessId


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path))
    return tmp_path


def test_where_nothing_stands_that_is_said_and_good(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert down() == 0
    assert "nothing runs\n" == capsys.readouterr().err


def test_the_file_of_a_cluster_that_has_died_is_taken_away(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fleet = Fleet((NodeSpec("node1"),))
    write_cluster(home, StandingCluster(ProcessId(2**22 + 1, 1), Condition.RUNNING, "http://a", None, "", fleet, 0.0))

    assert down() == 0
    assert "ended: 1 node and all that belonged to it\n" == capsys.readouterr().err
    assert [] == list(home.iterdir())


def test_an_interrupt_ends_a_command_with_2_and_not_with_the_parsers_own_code(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(down_module, "end_cluster", interrupt)

    assert run_command(["down"]) == 2
