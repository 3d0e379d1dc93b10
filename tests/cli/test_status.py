from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.cli import status as status_module
from pulseq.cli.status import describe_view, render_cluster, say_view, status
from pulseq.cluster.standing_cluster import Condition, PartState, StandingCluster, standing_directory, write_cluster
from pulseq.errors import InfrastructureError, UsageError
from pulseq.fleet import Fleet, NodeSpec
from pulseq.marks import MarkState, NodeMark
from pulseq.orchestration.server_doors import LOGIN_PATH
from pulseq.processes.process_id import ProcessId
from pulseq.protocol.clock_offset import ClockOffset
from pulseq.protocol.node_probe import MEASURES, Answer
from pulseq.standing.kept_auth import auth_path, keep_auth
from pulseq.standing.standing_nodes import NodeView

VIEW = NodeView(
    *(2, {"os": "linux", "browser": "chrome"}, ("r1",), 1, 95.0, {"host": "here", "way": "local", "version": "1.2"}),
    answer=Answer(0.02, load=0.5, running=1),
)
MARK = NodeMark("node2", MarkState.DRAINING, "new \x1b[31mfirmware", "anna@desk")


@pytest.fixture
def cluster() -> StandingCluster:
    keeper = ProcessId.of(os.getpid())
    assert keeper is not None
    parts = (
        PartState("scheduler", Condition.RUNNING, keeper, 40.0),
        PartState("node1", Condition.RUNNING, keeper, 70.0, deaths=1, why="its process ended with -9"),
        PartState("node2", Condition.GIVEN_UP, None, 90.0, deaths=5, why="\x1b[31mno port"),
    )
    fleet = Fleet((NodeSpec("node1"), NodeSpec("node2")), source="nodes.yaml")
    return StandingCluster(keeper, Condition.RUNNING, "http://a/api", "http://a", "tcp://s:1", fleet, 40.0, parts)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def ask(address: str, credentials: object) -> tuple[dict[str, NodeView], dict[str, NodeMark]]:
        assert address == "tcp://s:1"
        return {"node1": VIEW}, {"node2": MARK}

    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path))
    monkeypatch.setattr(status_module, "ask_nodes_and_marks", ask)
    return tmp_path


def test_people_read_what_lives_since_when_and_what_runs_there(cluster: StandingCluster) -> None:
    assert [
        "running without node2 for 1:00: Prefect http://a",
        "  scheduler  running for 1:00",
        "  node1      running for 0:30; 2 slots, 1 running for r1; linux chrome; heard of 0:05 ago; "
        "died 1 time, last: its process ended with -9",
        "  node2      given up for 0:10; died 5 times, last: no port",
    ] == render_cluster(cluster, {"node1": VIEW}, {}, 100.0)


def test_marks_are_told_of_nodes_that_are_there_and_of_others(cluster: StandingCluster) -> None:
    views = {"node1": replace(VIEW, runs=(), dispatches=0), "joined1": VIEW}
    marks = {
        name: NodeMark(name, MarkState.DRAINING, MARK.why, MARK.who) for name in ("node1", "node2", "joined1", "gone")
    }

    lines = render_cluster(cluster, views, marks, 100.0)

    ends = ["drained by anna@desk: new firmware", *["draining by anna@desk: new firmware"] * 3]
    names = ["node1", "node2", "joined1", "gone"]
    assert list(zip(names, ends, strict=True)) == [(line.split()[0], line.rpartition("; ")[2]) for line in lines[2:]]
    assert "not there" in lines[-1]


def test_what_waits_for_a_slot_is_not_told_as_running(cluster: StandingCluster) -> None:
    view = replace(VIEW, dispatches=5, runs=("r1", "r2"))

    lines = render_cluster(cluster, {"node1": view}, {}, 100.0)

    assert any("2 slots, 2 running, 3 waiting for r1, r2; linux chrome" in line for line in lines)


@given(slots=st.integers(1, 50), dispatches=st.integers(0, 200))
def test_all_that_a_node_has_runs_or_waits_and_no_slot_is_free_beside_a_line(slots: int, dispatches: int) -> None:
    view = replace(VIEW, slots=slots, dispatches=dispatches)

    assert dispatches == view.running + view.waiting
    assert view.running <= slots
    assert view.running == slots or not view.waiting


def test_programs_read_the_same_as_json(
    home: Path, cluster: StandingCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cluster(home, cluster)

    assert status(output="json") == 1

    told = json.loads(capsys.readouterr().out)
    assert (["node2"], {"node2"}, "draining") == (told["away"], {*told["marks"]}, told["marks"]["node2"]["state"])
    assert (True, "1970-01-01T00:00:40+00:00", os.getpid()) == (told["running"], told["since"], told["pid"])
    assert ["scheduler", "node1", "node2"] == [part["name"] for part in told["parts"]]
    assert {
        "node1": {
            "slots": 2,
            "capabilities": {"os": "linux", "browser": "chrome"},
            "runs": ["r1"],
            "dispatches": 1,
            "running": 1,
            "waiting": 0,
            "last_heartbeat": "1970-01-01T00:01:35+00:00",
            "host": "here",
            "way": "local",
            "version": "1.2",
            "health": {"latency": 0.02, "load": 0.5, **dict.fromkeys(set(MEASURES) - {"load", "running"})},
        }
    } == told["nodes"]


def test_a_clock_is_told_to_programs_and_to_people_where_it_differs() -> None:
    away = replace(VIEW, labels={"host": "lab1\x1b", "way": "ssh"}, answer=Answer(0.1, clock=ClockOffset(-41.23, 0.05)))

    told = describe_view(away)["health"]
    assert told is not None
    assert (told["clock_offset"], told["clock_uncertainty"]) == (-41.23, 0.05)
    assert ["on lab1␛", "heard of 0:05 ago", "its clock is 41.2 s behind"] == say_view(away, 100.0)[2:]


def test_what_a_node_needs_of_people_is_told() -> None:
    assert "it does not answer" == say_view(replace(VIEW, answer=None), 100.0)[-1]
    assert describe_view(replace(VIEW, answer=None))["health"] is None
    left = replace(VIEW, answer=Answer(0.1, stray_processes=2, clock=ClockOffset(0.001, 0.05)))
    assert ["heard of 0:05 ago", "2 processes left behind by bodies and alive"] == say_view(left, 100.0)[2:]


@pytest.mark.parametrize(
    ("ui_url", "auth", "url", "variables"),
    [
        ("http://a", "pulseq:it's", f"http://a{LOGIN_PATH}#cHVsc2VxOml0J3M=", ["http://a/api", "pulseq:it's"]),
        ("http://a", None, "http://a", ["http://a/api"]),
        (None, None, "http://a", ["http://a/api"]),
    ],
)
def test_a_browser_and_a_shell_are_told_how_to_get_in(
    home: Path,
    cluster: StandingCluster,
    capsys: pytest.CaptureFixture[str],
    ui_url: str | None,
    auth: str | None,
    url: str,
    variables: list[str],
) -> None:
    standing_directory(home).mkdir()
    write_cluster(home, replace(cluster, ui_url=ui_url))
    keep_auth(home, auth)

    assert (0, 0) == (status(url=True), status(env=True))

    told, *exported = capsys.readouterr().out.splitlines()
    assert url == told
    shell = subprocess.run(
        ["sh", "-c", "\n".join([*exported, 'printf "%s\\n" "$PREFECT_API_URL" $PREFECT_API_AUTH_STRING'])],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert variables == shell.stdout.splitlines()


def test_programs_read_where_the_auth_string_is_and_not_what(
    home: Path, cluster: StandingCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    standing_directory(home).mkdir()
    write_cluster(home, cluster)
    keep_auth(home, "pulseq:abc")

    status(output="json")

    told = capsys.readouterr().out
    assert str(auth_path(home)) == json.loads(told)["prefect_auth_file"]
    assert "pulseq:abc" not in told


@pytest.mark.parametrize("asked", [{"url": True, "env": True}, {"url": True, "output": "json"}])
def test_two_answers_at_once_are_refused(home: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="each is all that is printed"):
        status(**asked)


def test_where_nothing_stands_there_is_no_url(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == status(url=True)
    assert "" == capsys.readouterr().out


def test_a_scheduler_that_does_not_answer_leaves_the_rest_to_tell(
    home: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(address: str, credentials: object) -> object:
        raise InfrastructureError("no answer")

    monkeypatch.setattr(status_module, "ask_nodes_and_marks", ask)
    write_cluster(home, replace(cluster, condition=Condition.RESTARTING))

    assert status() == 1
    assert capsys.readouterr().err.startswith("restarting for ")


@pytest.mark.parametrize(
    ("part", "condition", "code"),
    [
        ("node2", Condition.RUNNING, 0),
        ("node2", Condition.RESTARTING, 1),
        ("node2", Condition.GIVEN_UP, 1),
        ("run host", Condition.RESTARTING, 0),  # runs start by themselves
    ],
)
def test_the_exit_code_is_1_as_long_as_a_node_is_away(
    home: Path, cluster: StandingCluster, part: str, condition: Condition, code: int
) -> None:
    fleet = replace(cluster.fleet, nodes=(*cluster.fleet.nodes, NodeSpec("comes-by-itself", joins=True)))
    parts = (*cluster.parts[:2], PartState(part, condition, None, 90.0))
    write_cluster(home, replace(cluster, fleet=fleet, parts=parts))

    assert code == status()


def test_where_nothing_stands_the_exit_code_is_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status() == 1
    assert "nothing runs; `pulseq up` starts it\n" == capsys.readouterr().err


def test_what_has_died_is_told_as_such(
    home: Path, cluster: StandingCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cluster(home, replace(cluster, keeper=ProcessId(2**22 + 1, 1)))

    assert status(output="json") == 1
    assert {"running": False, "why": "what `pulseq up` had started has died"} == json.loads(capsys.readouterr().out)
