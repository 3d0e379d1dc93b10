from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.cluster import standing_cluster
from pulseq.cluster.standing_cluster import (
    Choice,
    Condition,
    PartState,
    StandingCluster,
    choose_cluster,
    decode,
    decode_fleet,
    find_cluster,
    judge,
    own_home,
    same_fleet,
    say_loss,
    standing_directory,
    use_cluster,
    users_path,
    wait_until_settled,
    write_cluster,
)
from pulseq.errors import UsageError
from pulseq.fleet import Fleet, FrameworkConfig, NodeSpec, Strategy
from pulseq.processes.process_id import ProcessId
from tests.accounts import SOMEBODY, needs_two_accounts

API = "http://127.0.0.1:4200/api"
NOBODY = ProcessId(2**22 + 1, 1)


def myself() -> ProcessId:
    process = ProcessId.of(os.getpid())
    assert process is not None
    return process


@pytest.fixture
def cluster() -> StandingCluster:
    return StandingCluster(
        keeper=myself(),
        condition=Condition.RUNNING,
        api_url=API,
        ui_url="http://127.0.0.1:4200",
        scheduler="tcp://127.0.0.1:8786",
        fleet=Fleet((NodeSpec("node1", capabilities={"browser": ("chrome", "firefox"), "gpu": True}),)),
        since=1.5,
        parts=(PartState("scheduler", Condition.RUNNING, myself(), 2.0), PartState("node1", Condition.RESTARTING)),
    )


SCALARS = st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False))
NODES = st.builds(
    NodeSpec,
    id=st.text(),
    port=st.integers(0, 65535),
    capabilities=st.dictionaries(st.text(), SCALARS | st.lists(SCALARS, max_size=3).map(tuple), max_size=3),
    max_concurrent_tests=st.integers(1, 100),
)
FRAMEWORKS = st.builds(FrameworkConfig, strategy=st.sampled_from(Strategy), node_timeout=st.floats(0.1, 1e6))


@given(st.builds(Fleet, st.lists(NODES, max_size=3).map(tuple), FRAMEWORKS, st.none() | st.text()))
def test_a_fleet_comes_back_from_json_as_it_was(fleet: Fleet) -> None:
    assert fleet == decode_fleet(json.loads(json.dumps(asdict(fleet))))


def test_what_is_written_is_what_is_found(tmp_path: Path, cluster: StandingCluster) -> None:
    write_cluster(tmp_path, cluster)

    assert cluster == find_cluster(tmp_path)
    assert [standing_cluster.FILE_NAME] == os.listdir(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"keeper": 1}', '"\\u0000"'])
def test_a_file_that_tells_of_no_cluster_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / standing_cluster.FILE_NAME).write_text(text)

    assert find_cluster(tmp_path) is None


def test_without_a_file_nothing_stands(tmp_path: Path) -> None:
    assert find_cluster(tmp_path) is None
    assert Choice(None) == choose_cluster(tmp_path, None)


def test_a_file_that_names_a_living_process_is_not_believed(tmp_path: Path, cluster: StandingCluster) -> None:
    parent = ProcessId.of(os.getppid())
    assert parent is not None
    (tmp_path / standing_cluster.LOCK_NAME).touch()  # as a repository may bring it, too

    write_cluster(tmp_path, replace(cluster, keeper=parent))

    assert find_cluster(tmp_path) is None
    assert Choice(None) == choose_cluster(tmp_path, None)


def test_a_process_that_holds_the_directory_is_believed(tmp_path: Path, cluster: StandingCluster) -> None:
    with (
        own_home(tmp_path),
        open(tmp_path / standing_cluster.LOCK_NAME) as lock,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()]) as keeper,
    ):
        process = ProcessId.of(keeper.pid)
        assert process is not None
        write_cluster(tmp_path, replace(cluster, keeper=process))

        found = find_cluster(tmp_path)
        keeper.kill()

    assert found is not None
    assert process == found.keeper


@needs_two_accounts
@pytest.mark.parametrize("theirs", [".", "standing", "standing.json", "standing.lock", "standing/runs.sock", "link"])
def test_what_somebody_else_has_put_there_is_refused(tmp_path: Path, cluster: StandingCluster, theirs: str) -> None:
    home = tmp_path / "home"
    standing_directory(home).mkdir(parents=True)
    write_cluster(home, cluster)
    if theirs == "link":
        (tmp_path / "link").symlink_to(home)
    elif not (home / theirs).exists():
        (home / theirs).touch()
    os.lchown(tmp_path / "link" if theirs == "link" else home / theirs, SOMEBODY, SOMEBODY)

    with pytest.raises(UsageError, match=f"belongs to user {SOMEBODY}"):
        find_cluster(tmp_path / "link" if theirs == "link" else home)


def test_what_is_written_is_this_users_alone(tmp_path: Path, cluster: StandingCluster) -> None:
    before = os.umask(0)
    try:
        write_cluster(tmp_path, cluster)
        standing_directory(tmp_path).mkdir(mode=0o700)
        with own_home(tmp_path), use_cluster(tmp_path):
            modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()]
    finally:
        os.umask(before)

    assert [0o600] * 3 == modes


def test_a_field_of_a_newer_version_is_no_cluster_of_ours(cluster: StandingCluster) -> None:
    with pytest.raises(TypeError):
        decode({**asdict(cluster), "colour": "red"})


def test_all_its_processes_are_the_keeper_and_the_parts_that_live(cluster: StandingCluster) -> None:
    assert [cluster.keeper, cluster.parts[0].process] == cluster.processes


def test_a_cluster_that_runs_is_used_without_a_word(tmp_path: Path, cluster: StandingCluster) -> None:
    write_cluster(tmp_path, cluster)

    assert Choice(cluster) == choose_cluster(tmp_path, None)
    assert Choice(cluster) == choose_cluster(tmp_path, API)


def test_a_keeper_that_has_died_is_told_and_not_relied_on(tmp_path: Path, cluster: StandingCluster) -> None:
    write_cluster(tmp_path, replace(cluster, keeper=NOBODY, condition=Condition.STARTING))

    choice = choose_cluster(tmp_path, None)

    assert choice.cluster is None
    assert "has died" in str(choice.note)


@pytest.mark.parametrize("condition", [Condition.GIVEN_UP, Condition.ENDING, Condition.RESTARTING])
def test_a_cluster_that_is_not_ready_is_not_used(cluster: StandingCluster, condition: Condition) -> None:
    choice = judge(replace(cluster, condition=condition), None)

    assert choice.cluster is None
    assert f"not ready ({condition})" in str(choice.note)


@pytest.mark.parametrize("change", [{"version": "0.0.1"}, {"python": "3.9.1"}])
def test_another_version_is_refused_with_both_named(cluster: StandingCluster, change: dict[str, str]) -> None:
    choice = judge(replace(cluster, **change), None)  # type: ignore[arg-type]

    assert choice.cluster is None
    assert str(next(iter(change.values()))) in str(choice.note)
    assert f"this is {cluster.version} under {cluster.python}" in str(choice.note)


def test_a_run_with_another_prefect_api_does_not_use_it(cluster: StandingCluster) -> None:
    choice = judge(cluster, "http://elsewhere/api")

    assert choice.cluster is None
    assert f"{API!r}, this run to 'http://elsewhere/api'" in str(choice.note)


def test_a_cluster_that_is_getting_up_is_waited_for(
    tmp_path: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    getting_up = replace(cluster, condition=Condition.RESTARTING)
    monkeypatch.setattr(standing_cluster.time, "sleep", lambda _: write_cluster(tmp_path, cluster))

    assert cluster == wait_until_settled(tmp_path, getting_up, 60)


def test_waiting_ends_with_patience(tmp_path: Path, cluster: StandingCluster) -> None:
    getting_up = replace(cluster, condition=Condition.STARTING)

    assert getting_up == wait_until_settled(tmp_path, getting_up, 0)


def test_fleets_are_the_same_wherever_they_were_written(cluster: StandingCluster) -> None:
    fleet = cluster.fleet

    assert same_fleet(fleet, replace(fleet, source="nodes.yaml"))
    assert not same_fleet(fleet, replace(fleet, nodes=(*fleet.nodes, NodeSpec("node2"))))
    assert not same_fleet(fleet, replace(fleet, framework=FrameworkConfig(node_timeout=5)))


def test_a_loss_is_told_by_its_cause(tmp_path: Path, cluster: StandingCluster) -> None:
    told = {"down": say_loss(tmp_path)}
    for word, change in {
        "ending": {"condition": Condition.ENDING},
        "dead": {"condition": Condition.RUNNING, "keeper": NOBODY},
        "alive": {"condition": Condition.RESTARTING},
    }.items():
        write_cluster(tmp_path, replace(cluster, **change))  # type: ignore[arg-type]
        told[word] = say_loss(tmp_path)

    down = "`pulseq down` has ended the nodes that this run was using"
    dead = "what `pulseq up` had started has died, and the nodes of this run with it"
    assert told == {"down": down, "ending": down, "dead": dead, "alive": None}


def test_a_state_directory_has_one_keeper_at_a_time(tmp_path: Path) -> None:
    with own_home(tmp_path) as first:
        with own_home(tmp_path) as second:
            assert (first, second) == (True, False)
    with own_home(tmp_path) as third:
        assert third
    assert [] == os.listdir(tmp_path)


def test_a_lock_whose_file_was_taken_away_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = fcntl.flock, []

    def lose_the_first(descriptor: int, how: int) -> None:
        real(descriptor, how)
        tries.append(how)
        if len(tries) == 1:
            (tmp_path / "standing.lock").unlink()

    monkeypatch.setattr(standing_cluster.fcntl, "flock", lose_the_first)

    with own_home(tmp_path) as owned:
        assert (owned, len(tries)) == (True, 2)
        assert (tmp_path / "standing.lock").exists()


def test_users_share_a_lock_that_tells_of_them(tmp_path: Path) -> None:
    standing_directory(tmp_path).mkdir()
    with use_cluster(tmp_path), use_cluster(tmp_path), open(users_path(tmp_path), "ab") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(users_path(tmp_path), "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_user_of_what_has_just_gone_goes_on_without_a_lock(tmp_path: Path) -> None:
    with use_cluster(tmp_path):
        assert [] == os.listdir(tmp_path)
