from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pulseq.cluster.standing_cluster import (
    LOCK_NAME,
    Condition,
    PartState,
    StandingCluster,
    standing_directory,
    write_cluster,
)
from pulseq.errors import InfrastructureError
from pulseq.fleet import Fleet, NodeSpec
from pulseq.processes.process_id import ProcessId
from pulseq.standing import standing_control
from pulseq.standing.standing_control import _hear, end_cluster, start_cluster

FLEET = Fleet((NodeSpec("node1"),))
DEAF = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); input()"


def hear(*messages: dict[str, object]) -> tuple[bool, list[str]]:
    ready: list[str] = []
    return _hear(messages, ready.append, Path("keeper.log")), ready


def test_parts_are_told_as_they_get_ready() -> None:
    assert (True, ["scheduler", "node1"]) == hear({"ready": "scheduler"}, {"ready": "node1"}, {"running": True})


def test_what_is_waited_for_is_told() -> None:
    notes: list[str] = []
    messages = ({"note": "waiting for the server"}, {"running": True})
    assert _hear(messages, lambda part: None, Path("keeper.log"), notes.append)
    assert notes == ["waiting for the server"]


def test_a_state_directory_that_is_taken_is_told() -> None:
    assert (False, []) == hear({"taken": True})


def test_what_failed_is_told_in_its_own_words() -> None:
    with pytest.raises(InfrastructureError, match=r"no server \(nothing was left running\)"):
        hear({"ready": "scheduler"}, {"failed": "no server"})


def test_a_keeper_that_ends_without_a_word_is_told_with_its_log() -> None:
    with pytest.raises(InfrastructureError, match=r"ended while it started; its log is keeper\.log"):
        hear({"ready": "scheduler"})


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process as the keeper starts them, which holds the state directory as the keeper does."""
    with (
        open(tmp_path / LOCK_NAME, "w") as lock,
        subprocess.Popen(
            [sys.executable, "-c", DEAF],
            env={**os.environ, "PULSEQ_HOME": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[lock.fileno()],
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.fixture
def cluster(child: subprocess.Popen[bytes]) -> StandingCluster:
    process = ProcessId.of(child.pid)
    assert process is not None
    part = PartState("node1", Condition.RUNNING, process)
    return StandingCluster(process, Condition.RUNNING, "http://api", None, "tcp://s", FLEET, 0.0, (part,))


@pytest.fixture
def home(tmp_path: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(standing_control, "END_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(standing_control, "LAST_WILL_SECONDS", 0.01)
    standing_directory(tmp_path).mkdir()
    write_cluster(tmp_path, cluster)
    return tmp_path


def test_where_nothing_stands_nothing_is_ended(tmp_path: Path) -> None:
    assert end_cluster(tmp_path) is None
    assert [] == os.listdir(tmp_path)


def test_a_keeper_that_does_not_hear_is_killed(
    home: Path, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_control, "LAST_WILL_SECONDS", 60.0)  # after the kill it may take its time

    assert end_cluster(home) is not None

    assert -signal.SIGKILL == child.wait()
    assert [] == os.listdir(home)


def test_a_part_that_outlives_its_keeper_is_killed(
    home: Path, cluster: StandingCluster, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cluster(home, replace(cluster, keeper=ProcessId(2**22 + 1, 1)))
    patience = iter((0.01, 0.01, 0.01, 60.0))  # the keeper twice, the part, and the part once it is killed
    monkeypatch.setattr(ProcessId, "wait", lambda self, seconds, wait=ProcessId.wait: wait(self, next(patience)))

    end_cluster(home)

    assert -signal.SIGKILL == child.wait()


@pytest.mark.parametrize("role", ["keeper", "part"])
def test_a_process_of_others_that_a_file_names_is_let_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setattr(standing_control, "LAST_WILL_SECONDS", 0.01)
    home = tmp_path / "cloned"
    standing_directory(home).mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        process = ProcessId.of(bystander.pid)
        assert process is not None
        part = PartState("node1", Condition.RUNNING, process)
        keeper = process if role == "keeper" else ProcessId(2**22 + 1, 1)
        write_cluster(
            home, StandingCluster(keeper, Condition.RUNNING, "http://api", None, "tcp://s", FLEET, 0.0, (part,))
        )

        end_cluster(home)

        assert process.alive
        assert not process.wait(0)
        bystander.kill()


def test_what_does_not_even_end_by_sigkill_is_told(
    home: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessId, "signal", lambda self, number: None)

    with pytest.raises(InfrastructureError, match=f"process {cluster.keeper.pid} of the nodes does not end"):
        end_cluster(home)


@pytest.mark.system
def test_a_fleet_that_does_not_start_is_told_and_leaves_nothing_but_its_logs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fleet = Fleet((NodeSpec("node1", port=taken.getsockname()[1]),))

        with pytest.raises(InfrastructureError, match="node 'node1' ended while it started"):
            start_cluster(tmp_path, fleet, "http://127.0.0.1:1/api", lambda part: None)

    assert ["standing"] == os.listdir(tmp_path)
    assert {"keeper.log", "node1.log", "nodes.log", "scheduler.log"} == set(
        os.listdir(standing_directory(tmp_path) / "logs")
    )


def test_a_helper_that_is_frozen_ends_with_the_rest(
    home: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nodes are forked from is no part, and heeds nothing where it is stopped."""
    monkeypatch.setattr(standing_control, "LAST_WILL_SECONDS", 60.0)
    ends = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    ours = {**os.environ, "PULSEQ_HOME": str(home)}
    with subprocess.Popen([sys.executable, "-c", ends], env=ours) as helper:
        os.waitid(os.P_PID, helper.pid, os.WSTOPPED | os.WNOWAIT)
        known = ProcessId.of(helper.pid)
        assert known is not None
        nobody = ProcessId(2**22 + 1, 1)
        write_cluster(home, replace(cluster, keeper=nobody, parts=(), helpers=(known,)))

        end_cluster(home)

        assert helper.wait() == 0
