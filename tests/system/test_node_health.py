"""The node-health flow and nodes that are killed and frozen under it; one cluster serves all these tests."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pulseq
from pulseq.protocol.coding import PROTOCOL
from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, until

ROOT = Path(__file__).parents[2]
NODES = """
nodes: [{id: one}, {id: two, max_concurrent_tests: 2}]
framework: {heartbeat_interval: 1, node_timeout: 6}
"""
#: Runs the flow once for each line that it is sent, and tells the state that came of it.
LOOKER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from flows.node_health import node_health
for line in sys.stdin:
    state = asyncio.run(node_health(return_state=True))
    print(f"{state.name}: {state.message}", flush=True)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with open_workplace(tmp_path_factory.mktemp("health")) as workplace:
        workplace.write("nodes.yaml", NODES)
        up = workplace.run("up", "--nodes", "nodes.yaml")
        assert up.code == 0, up.err
        yield workplace
        assert workplace.run("down").code == 0


@pytest.fixture(scope="module")
def look(place: Workplace) -> Iterator[Callable[[], str]]:
    """Runs the flow once, and gives what its flow run says."""
    environment = place.environment | place.standing_variables() | {"PREFECT_LOGGING_LEVEL": "ERROR"}
    process = subprocess.Popen(
        [sys.executable, "-c", LOOKER, str(ROOT)],
        cwd=place.path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    place.started.append(process)
    assert process.stdin is not None
    assert process.stdout is not None
    asked, told = process.stdin, process.stdout

    def ask() -> str:
        asked.write("look\n")
        asked.flush()
        return told.readline().strip()

    yield ask
    asked.close()
    process.wait()


def _told(workplace: Workplace) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((workplace.home / "standing.json").read_text())
    return told


def _pid(workplace: Workplace, node: str) -> int:
    pid: int = next(part["process"]["pid"] for part in _told(workplace)["parts"] if part["name"] == node)
    return pid


def _rows(workplace: Workplace, node: str) -> list[dict[str, Any]]:
    return workplace.sql(f"select * from node_health where node_id = '{node}' order by seen_at, seq")


def _post(workplace: Workplace, path: str, query: dict[str, Any]) -> Any:
    with workplace.standing_api() as api:
        return api.post(path, json=query).raise_for_status().json()


def _changes(workplace: Workplace, node: str) -> list[tuple[str, str]]:
    """What the events say of a node, the oldest first."""
    query = {"filter": {"event": {"name": ["pulseq.node.changed"]}}}
    events = sorted(_post(workplace, "events/filter", query)["events"], key=lambda event: event["occurred"])
    mine = [event["payload"] for event in events if event["resource"]["prefect.resource.name"] == node]
    return [(change["before"], change["after"]) for change in mine]


def test_nodes_that_are_well_are_rows_and_a_table(place: Workplace, look: Callable[[], str]) -> None:
    assert "Healthy: 2 nodes active" == until(lambda: (told := look()).startswith("Healthy") and told, "all is well")

    row = _rows(place, "two")[-1]
    assert ("poll", "active", 2, 0, None) == tuple(row[name] for name in ("event", "status", "slots", "running", "why"))
    assert row["latency"] > 0 < row["memory_available"] < row["memory_total"]
    assert row["disk_free"] < row["disk_total"]
    assert row["heartbeat_age"] < 6
    # One machine has one clock, and its bodies have left nothing behind.
    assert abs(row["clock_offset"]) <= row["clock_uncertainty"] + 0.001
    assert (0, 0) == (row["leaked_processes"], row["link_breaks"])
    assert (pulseq.__version__, platform.python_version()) == (row["version"], row["python"])
    assert (socket.gethostname(), PROTOCOL) == (row["host"], row["protocol"])
    assert row["incarnation"]
    artifacts = _post(place, "artifacts/filter", {})
    lines = json.loads(next(one for one in artifacts if one["key"] == "node-health")["data"])
    assert {("one", "active"), ("two", "active")} == {(line["node"], line["state"]) for line in lines}


def test_a_run_looks_at_its_nodes_too(place: Workplace) -> None:
    place.write(
        "slow.yaml",
        "suite: slow\ntests:\n" + "".join(f"  - {{id: t{i}, simulate: {{duration: 1}}}}\n" for i in range(9)),
    )

    run = place.run("run", "slow.yaml", "--run-id", "looked")

    assert run.code == 0, run.err
    rows = place.sql("select node_id, status, running from node_health where run_id = 'looked' and event = 'poll'")
    assert {("one", "active"), ("two", "active")} == {(row["node_id"], row["status"]) for row in rows}
    assert 2 == max(row["running"] for row in rows if row["node_id"] == "two")


def test_what_bodies_leave_behind_is_counted(place: Workplace, look: Callable[[], str]) -> None:
    place.write("leak.yaml", "suite: leak\ntests: [{id: t, command: 'sleep 600 & echo', shell: true}]")
    assert place.run("run", "leak.yaml", "--run-id", "leaked").code == 0

    look()

    (ran,) = place.sql("select node_id, leaked_processes from attempts where run_id = 'leaked'")
    assert 1 == ran["leaked_processes"] == _rows(place, ran["node_id"])[-1]["leaked_processes"]


def test_people_and_programs_read_how_nodes_do(place: Workplace) -> None:
    told = place.run("status", "--output", "json")
    assert told.code == 0, told.err
    nodes = told.json["nodes"]
    assert {"one", "two"} == nodes.keys()
    health = nodes["two"]["health"]
    assert health["memory_total"] > 0 < health["latency"]
    assert abs(health["clock_offset"]) <= health["clock_uncertainty"] + 0.001
    assert nodes["two"]["host"] == socket.gethostname()


def test_a_node_that_is_killed_is_told_of_although_it_is_back_already(
    place: Workplace, look: Callable[[], str]
) -> None:
    killed = _pid(place, "one")
    os.kill(killed, signal.SIGKILL)
    until(lambda: _pid_or_none(place, "one") not in (None, killed), "the keeper has started it again")

    until(lambda: look().startswith("Healthy"), "it is back")

    assert {"its process is gone", "it has left the scheduler"} & {
        str(row["why"]).split(";")[0] for row in _rows(place, "one") if row["status"] == "inactive"
    }
    expected = [("active", "inactive"), ("inactive", "active")]
    until(lambda: _changes(place, "one") == expected, "the events tell of it")


def _pid_or_none(workplace: Workplace, node: str) -> int | None:
    process = next(part["process"] for part in _told(workplace)["parts"] if part["name"] == node)
    return process["pid"] if process else None


def test_a_node_that_is_frozen_is_suspect_then_inactive_and_comes_back(
    place: Workplace, look: Callable[[], str]
) -> None:
    frozen = _pid(place, "two")
    os.kill(frozen, signal.SIGSTOP)

    until(lambda: "two inactive" in look(), "it is inactive")
    silent = [row for row in _rows(place, "two") if row["status"] != "active"]
    os.kill(frozen, signal.SIGCONT)
    until(lambda: look().startswith("Healthy"), "it is back")

    assert silent[0]["latency"] is None
    until(lambda: _changes(place, "two")[-1:] == [("inactive", "active")], "the events tell of it")


def test_a_scheduler_that_is_gone_makes_all_nodes_inactive(place: Workplace, look: Callable[[], str]) -> None:
    keeper = _told(place)["keeper"]["pid"]
    os.kill(keeper, signal.SIGSTOP)  # or it would start the scheduler again
    try:
        os.kill(_pid(place, "scheduler"), signal.SIGKILL)
        told = until(lambda: (told := look()).startswith("NoScheduler") and told, "it is noticed")
    finally:
        os.kill(keeper, signal.SIGCONT)

    assert told == f"NoScheduler: no Dask scheduler answers at {_told(place)['scheduler']!r}"
    assert ["inactive", "inactive"] == [_rows(place, node)[-1]["status"] for node in ("one", "two")]


def test_where_nothing_stands_the_flow_says_so(bare_workplace: Workplace, place: Workplace) -> None:
    environment = bare_workplace.environment | place.standing_variables()
    done = subprocess.run(
        [sys.executable, "-c", LOOKER, str(ROOT)],
        cwd=bare_workplace.path,
        env=environment,
        input="look\n",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("NothingRuns: `pulseq up` has nothing running in")
    assert not bare_workplace.database.exists()


def test_a_scheduler_that_only_a_file_names_is_not_asked(bare_workplace: Workplace, place: Workplace) -> None:
    told = _told(place)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        scheduler = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        # As a repository may bring it: nobody can know which processes there will be.
        planted = told | {"keeper": {"pid": 2**22 + 1, "started": 1}, "scheduler": scheduler}
        bare_workplace.write("home/standing.json", json.dumps(planted))
        done = subprocess.run(
            [sys.executable, "-c", LOOKER, str(ROOT)],
            cwd=bare_workplace.path,
            env=bare_workplace.environment | place.standing_variables(),
            input="look\n",
            capture_output=True,
            text=True,
            check=True,
        )
        with pytest.raises(BlockingIOError):
            listener.accept()

    assert done.stdout.startswith("NoScheduler: what `pulseq up` had started")
