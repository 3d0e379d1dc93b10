"""What of `pulseq up` a run of the command line uses."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pulseq.cluster.standing_cluster import Condition, PartState, StandingCluster, write_cluster
from pulseq.fleet import Fleet, NodeSpec
from pulseq.processes.process_id import ProcessId
from pulseq.run.run_options import RunOptions
from pulseq.run.standing_use import join_standing

API = "http://127.0.0.1:4200/api"


@pytest.fixture
def cluster() -> StandingCluster:
    keeper = ProcessId.of(os.getpid())
    assert keeper is not None
    fleet = Fleet((NodeSpec("tower"),))
    return StandingCluster(keeper, Condition.RUNNING, API, "http://127.0.0.1:4200", "tcp://s:1", fleet, 0.0)


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    monkeypatch.chdir(tmp_path)  # where no file speaks of Prefect
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    return RunOptions(home=tmp_path)


def test_a_run_that_was_not_told_where_uses_nodes_and_server(options: RunOptions, cluster: StandingCluster) -> None:
    write_cluster(options.home, cluster)

    joined, joining = join_standing(options, own_nodes=False, beside=None)

    assert cluster == joining
    assert ("tcp://s:1", True, API) == (joined.scheduler, joined.standing, joined.api_url)
    assert () == joined.notes


def test_a_nodes_file_beside_the_suite_stands_back_and_that_is_said(
    options: RunOptions, cluster: StandingCluster
) -> None:
    write_cluster(options.home, cluster)

    joined, _ = join_standing(options, own_nodes=False, beside=Fleet((NodeSpec("laptop"),), source="nodes/shop.yaml"))

    assert ("nodes/shop.yaml is not used, since `pulseq up` has other nodes: --nodes would be heeded",) == joined.notes


def test_a_nodes_file_beside_the_suite_that_is_up_needs_no_word(options: RunOptions, cluster: StandingCluster) -> None:
    write_cluster(options.home, cluster)

    joined, _ = join_standing(options, own_nodes=False, beside=replace(cluster.fleet, source="nodes/shop.yaml"))

    assert () == joined.notes


@pytest.mark.parametrize(
    ("away", "notes"),
    [((), []), (("tower",), ["tower of `pulseq up` is away"]), (("a", "b"), ["a, b of `pulseq up` are away"])],
)
def test_a_node_that_is_away_is_told(
    options: RunOptions, cluster: StandingCluster, away: tuple[str, ...], notes: list[str]
) -> None:
    parts = tuple(
        PartState(name, Condition.RESTARTING if name in away else Condition.RUNNING) for name in ("tower", "a", "b")
    )
    fleet = Fleet(tuple(NodeSpec(part.name) for part in parts))
    write_cluster(options.home, replace(cluster, fleet=fleet, parts=parts))

    joined, _ = join_standing(options, own_nodes=False, beside=None)
    assert notes == [note.partition(": the run begins without")[0] for note in joined.notes]
    alone, _ = join_standing(options, own_nodes=True, beside=None)
    assert () == alone.notes


def test_a_run_that_was_told_where_shares_the_server_alone(options: RunOptions, cluster: StandingCluster) -> None:
    write_cluster(options.home, cluster)

    assert (replace(options, api_url=API), None) == join_standing(options, own_nodes=True, beside=None)


@pytest.mark.parametrize(
    ("configured", "own_nodes", "used"), [(None, False, API), (None, True, None), (API, False, None), (API, True, None)]
)
def test_an_api_that_is_not_ours_is_taken_from_the_nodes_where_it_is_not_configured(
    options: RunOptions,
    cluster: StandingCluster,
    monkeypatch: pytest.MonkeyPatch,
    configured: str | None,
    own_nodes: bool,
    used: str | None,
) -> None:
    if configured is not None:
        monkeypatch.setenv("PREFECT_API_URL", configured)
    write_cluster(options.home, replace(cluster, ui_url=None))

    joined, _ = join_standing(options, own_nodes=own_nodes, beside=None)

    assert used == joined.api_url


def test_what_has_died_is_said_and_the_run_goes_its_own_way(options: RunOptions, cluster: StandingCluster) -> None:
    write_cluster(options.home, replace(cluster, keeper=ProcessId(2**22 + 1, 1)))

    joined, joining = join_standing(replace(options, notes=("first",)), own_nodes=False, beside=None)

    assert (None, None, False) == (joining, joined.scheduler, joined.standing)
    assert "first" == joined.notes[0]
    assert "has died" in joined.notes[1]


def test_a_run_with_its_own_nodes_has_nothing_to_say_of_what_it_does_not_use(
    options: RunOptions, cluster: StandingCluster
) -> None:
    write_cluster(options.home, replace(cluster, condition=Condition.RESTARTING))

    assert (options, None) == join_standing(options, own_nodes=True, beside=None)


def test_where_nothing_stands_a_run_is_as_it_was(options: RunOptions) -> None:
    assert (options, None) == join_standing(options, own_nodes=False, beside=None)
