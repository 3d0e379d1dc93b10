"""What `pulseq up` says and refuses; that it starts something is shown with real processes elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pulseq.cli import up as up_module
from pulseq.cli.up import up
from pulseq.cluster.standing_cluster import Condition, StandingCluster, find_cluster, standing_directory, write_cluster
from pulseq.errors import InfrastructureError, UsageError
from pulseq.fleet import Fleet, NodeSpec
from pulseq.processes.process_id import ProcessId
from pulseq.standing.kept_auth import keep_auth

API = "http://127.0.0.1:4200/api"


@pytest.fixture
def cluster() -> StandingCluster:
    keeper = ProcessId.of(os.getpid())
    assert keeper is not None
    fleet = Fleet((NodeSpec("node1"),))
    return StandingCluster(keeper, Condition.RUNNING, API, "http://127.0.0.1:4200", "tcp://s:1", fleet, 0.0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where no file speaks of Prefect
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(up_module, "START_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(up_module, "start_cluster", _start_nothing)
    return tmp_path


def _start_nothing(*_: object) -> bool:
    raise AssertionError("something was started")


def starting(home: Path, cluster: StandingCluster, *, ours: bool) -> Callable[..., bool]:
    def start(home_: Path, fleet: Fleet, api_url: str | None, on_ready: Callable[[str], None], **_: object) -> bool:
        assert (home, None) == (home_, api_url)
        on_ready("scheduler")
        write_cluster(home, replace(cluster, fleet=fleet))
        return ours

    return start


@pytest.mark.parametrize(("count", "started"), [(None, ["phone"]), ("1", ["node1"])])
def test_the_nodes_of_the_suite_of_the_directory_are_started_where_none_are_named(
    home: Path,
    cluster: StandingCluster,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    count: str | None,
    started: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pulseq.yaml").touch()
    (tmp_path / "pulseq.nodes.yaml").write_text("nodes:\n  - {id: phone}\n")
    monkeypatch.setattr(up_module, "start_cluster", starting(home, cluster, ours=True))

    assert up(count=count) == 0

    stands = find_cluster(home)
    assert stands is not None
    assert started == [node.id for node in stands.fleet.nodes]


def test_what_was_started_is_described(
    home: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up_module, "start_cluster", starting(home, cluster, ours=True))

    assert up(count="2") == 0

    assert [
        "starting a Prefect server, a Dask scheduler and 2 nodes with 2 slots",
        "scheduler is ready",
        "Prefect: http://127.0.0.1:4200",
        "node node1: 1 slot",
        "node node2: 1 slot",
        "`pulseq run` uses it; `pulseq down` ends it",
    ] == capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("no_auth", "told"),
    [
        (False, "`pulseq status --url` lets a browser in, `pulseq status --env` commands of Prefect's"),
        (True, "it asks nobody for an auth string: every account of this machine can use it"),
    ],
)
def test_how_the_server_is_reached_is_told(
    home: Path,
    cluster: StandingCluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_auth: bool,
    told: str,
) -> None:
    standing_directory(home).mkdir()
    asked: list[bool] = []
    start = starting(home, cluster, ours=True)

    def start_it(*arguments: Any, with_auth: bool, **others: Any) -> bool:
        asked.append(with_auth)
        keep_auth(home, "pulseq:abc" if with_auth else None)
        return start(*arguments, **others)

    monkeypatch.setattr(up_module, "start_cluster", start_it)

    assert up(count="1", no_auth=no_auth) == 0
    assert up(count="1", no_auth=no_auth) == 0

    assert [not no_auth] == asked
    assert 2 == capsys.readouterr().err.splitlines().count(told)


def test_a_server_that_asks_for_an_auth_string_is_none_that_asks_nobody(home: Path, cluster: StandingCluster) -> None:
    standing_directory(home).mkdir()
    write_cluster(home, cluster)
    keep_auth(home, "pulseq:abc")

    with pytest.raises(UsageError, match="asked for --no-auth; `pulseq down` ends it"):
        up(no_auth=True)


def test_a_cluster_that_somebody_else_has_just_started_will_do(
    home: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up_module, "start_cluster", starting(home, cluster, ours=False))

    assert up(count="1") == 0
    assert "it runs already" in capsys.readouterr().err


def test_a_cluster_whose_keeper_has_died_is_started_anew(
    home: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cluster(home, replace(cluster, keeper=ProcessId(2**22 + 1, 1)))
    monkeypatch.setattr(up_module, "start_cluster", starting(home, cluster, ours=True))

    assert up() == 0
    assert "has died; it is started anew" in capsys.readouterr().err


@pytest.mark.parametrize("count", [None, "1"])
def test_what_runs_already_is_said_and_good(
    home: Path, cluster: StandingCluster, capsys: pytest.CaptureFixture[str], count: str | None
) -> None:
    write_cluster(home, cluster)

    assert up(count=count) == 0
    assert "it runs already" in capsys.readouterr().err


def test_another_fleet_than_the_one_that_runs_is_refused(home: Path, cluster: StandingCluster) -> None:
    write_cluster(home, cluster)

    with pytest.raises(UsageError, match="1 node with 1 slot, asked for 3 nodes with 3 slots; `pulseq down` ends it"):
        up(count="3")


def test_a_cluster_that_does_not_get_ready_is_told(home: Path, cluster: StandingCluster) -> None:
    write_cluster(home, replace(cluster, condition=Condition.RESTARTING))

    with pytest.raises(InfrastructureError, match=r"not ready \(restarting\); `pulseq status` says more"):
        up()


def test_a_fleet_that_cannot_be_started_is_refused(home: Path) -> None:
    nodes = home / "nodes.yaml"
    nodes.write_text("nodes:\n  - {id: far, host: a b}\n")

    with pytest.raises(UsageError, match="found 'a b', expected a host as ssh takes it"):
        up(nodes=nodes)


@pytest.mark.parametrize("asked", [{"count": "1"}, {"count": "0"}, {"count": "0", "listen": "127.0.0.1:0"}])
def test_a_number_and_a_file_of_nodes_are_one_answer_too_many(home: Path, asked: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="found -n and --nodes"):
        up(**asked, nodes=home / "nodes.yaml")  # type: ignore[arg-type]
