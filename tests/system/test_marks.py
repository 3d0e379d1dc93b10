"""Nodes that people drain, cordon and open while runs go on, and what the marks outlive.

One cluster serves all these tests; each leaves its nodes open.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, finish, until

NODES = """
nodes: [{id: one, capabilities: {door: left}}, {id: two, max_concurrent_tests: 2}]
framework: {heartbeat_interval: 1, node_timeout: 6}
"""
#: Each waits for a file, so that what goes on when is the test's to say.
WAITS = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]):\n    time.sleep(0.01)\n"
#: Of a slot's first item pytest is told which is next, so that two stay where they are. Those of the node that is
#: drained are long, so that it hears of that within one of them on any machine.
ITEMS = """
import os, time, pytest

@pytest.mark.parametrize("n", range(40))
def test_n(n):
    while not os.path.exists({flag!r}):
        time.sleep(0.01)
    os.environ["PULSEQ_NODE_ID"] == "two" and time.sleep(2)
"""
#: Runs a flow of `flows/`, and prints the state that comes of it.
FLOW = """
import asyncio, importlib, json, sys
sys.path.insert(0, sys.argv[1])
flow = getattr(importlib.import_module(f"flows.{sys.argv[2]}"), sys.argv[2])
state = asyncio.run(flow(**json.loads(sys.argv[3]), return_state=True))
print(f"{state.name}: {state.message}")
"""
FORM_WORDS = ("from a form", "done")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with open_workplace(tmp_path_factory.mktemp("marks")) as workplace:
        workplace.write("nodes.yaml", NODES)
        workplace.write("waits.py", WAITS)
        up = workplace.run("up", "--nodes", "nodes.yaml")
        assert up.code == 0, up.err
        yield workplace
        assert workplace.run("down").code == 0


def _node(place: Workplace, verb: str, *words: str) -> None:
    done = place.run("node", verb, *words)
    assert done.code == 0, done.err


def _list(place: Workplace) -> dict[str, dict[str, Any]]:
    listed = place.run("node", "list", "--format", "json")
    assert listed.code == 0, listed.err
    return {node["id"]: node for node in listed.json["nodes"]}


def _suite(place: Workplace, name: str, tests: int, flag: Path, **keys: str) -> Path:
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    lines = "".join(f"  - {{id: t{n}, command: [python, waits.py, {flag}]{more}}}\n" for n in range(tests))
    return place.write(name, f"suite: marks\ntests:\n{lines}")


def _data(place: Workplace, run_id: str, kind: str) -> list[dict[str, Any]]:
    return [line["data"] for line in place.journal(run_id) if line["kind"] == kind]


def _started(place: Workplace, run_id: str) -> dict[str, list[str]]:
    by_node: dict[str, list[str]] = {}
    for start in _data(place, run_id, "attempt_started"):
        by_node.setdefault(start["node_id"], []).append(start["test_id"])
    return by_node


def _begin(place: Workplace, run_id: str, suite: Path, at_work: int) -> subprocess.Popen[str]:
    run = place.start("run", suite, "--run-id", run_id)
    until(lambda: sum(map(len, _started(place, run_id).values())) == at_work, "every slot is at work")
    return run


def test_a_drained_node_finishes_what_it_has_begun_and_gives_back_the_rest(place: Workplace) -> None:
    flag = place.path / "drained"
    run = _begin(place, "drained", _suite(place, "drained.yaml", 12, flag), 3)

    _node(place, "drain", "two", "--why", "new firmware")
    until(lambda: _data(place, "drained", "node_marked"), "the run has heard of it")
    before = _list(place)["two"]
    busy = place.run("node", "drain", "two", "--wait", "0")
    flag.touch()
    ended = finish(run)

    assert ended.code == 0, ended.err
    assert (2, 10) == (len(_started(place, "drained")["two"]), len(_started(place, "drained")["one"]))
    assert ("draining", False, 2) == (before["state"], before["drained"], before["running"])
    assert "draining since" in before["why_no_work"]
    assert "new firmware" in before["why_no_work"]
    assert 1 == busy.code
    assert "two still has 2 dispatches of drained" in busy.err
    assert "note: node two gets no more tests: draining since" in ended.err
    drained = place.run("node", "drain", "two", "--wait", "60")
    assert (0, "two is drained") == (drained.code, drained.err.splitlines()[-1])
    assert "new firmware" in _list(place)["two"]["why_no_work"]
    (attempts,) = place.sql("select count(*) as made, max(attempt) as most from attempts where run_id = 'drained'")
    assert {"made": 12, "most": 1} == attempts
    _node(place, "undrain", "two")


@pytest.mark.slow
def test_of_a_pack_that_runs_a_drained_node_gives_back_what_has_not_begun(place: Workplace) -> None:
    flag = place.path / "begin"
    place.write("items/test_items.py", ITEMS.format(flag=str(flag)))
    run = place.start("run", place.path / "items", "--run-id", "items")
    until(lambda: [1, 2] == [node["running"] for node in _list(place).values()], "every slot is at work")

    _node(place, "drain", "two")
    until(lambda: _data(place, "items", "node_marked"), "the run has heard of it")
    flag.touch()
    ended = finish(run)

    assert ended.code == 0, ended.err
    started = _started(place, "items")
    assert len(started["two"]) <= 4
    assert 40 == len(started["one"]) + len(started["two"])
    _node(place, "undrain", "two")


def test_a_node_that_was_closed_is_given_tests_of_a_run_that_goes_on(place: Workplace) -> None:
    flag = place.path / "opened"
    _node(place, "cordon", "two", "--why", "not yet")
    run = _begin(place, "opened", _suite(place, "opened.yaml", 3, flag), 1)
    assert ["one"] == list(_started(place, "opened"))

    _node(place, "undrain", "two")
    until(lambda: len(_started(place, "opened").get("two", ())) == 2, "it has got what waited")
    flag.touch()

    assert 0 == finish(run).code


@pytest.mark.slow
def test_a_test_that_only_a_closed_node_fits_waits_says_so_and_ends_with_the_mark(place: Workplace) -> None:
    flag = place.path / "left"
    flag.touch()
    _node(place, "cordon", "one", "--why", "its door is stuck")
    suite = _suite(place, "left.yaml", 2, flag, requirements="{door: left}")
    opened = place.start("run", suite, "--run-id", "waits")
    until(
        lambda: any("`pulseq node undrain one`" in note["text"] for note in _data(place, "waits", "run_note")), "said"
    )
    _node(place, "undrain", "one")
    assert 0 == finish(opened).code

    _node(place, "cordon", "one", "--why", "its door is stuck")
    ended = place.run("run", suite, "--run-id", "left")

    assert ended.code == 10, ended.err
    rows = place.sql("select reason, error from results where run_id = 'left'")
    assert {"unsatisfiable"} == {row["reason"] for row in rows}
    assert all(row["error"].startswith("the only node that fits gets no tests (one is cordoned since") for row in rows)
    assert all("its door is stuck" in row["error"] for row in rows)
    _node(place, "undrain", "one")


def test_an_unknown_node_is_told_with_the_nearest_one(place: Workplace) -> None:
    done = place.run("node", "drain", "on")

    assert (4, "pulseq: found no node 'on', expected one of one, two; did you mean 'one'?\n") == (done.code, done.err)


def test_a_form_drains_a_node_and_prefect_and_the_database_hear_of_each_mark(place: Workplace) -> None:
    assert "Marked: two draining" == _flow(place, "mark_nodes", nodes=["two"], what="drain", why="from a form")
    drained = _list(place)["two"]
    assert ("draining", "from a form") == (drained["state"], drained["mark"]["why"])
    assert drained["mark"]["who"].startswith("flow run drain two")
    assert "NotMarked: found no node 'tow'" in _flow(place, "mark_nodes", nodes=["tow"])

    _node(place, "undrain", "two", "--why", "done")
    _flow(place, "node_health")
    _flow(place, "node_health")

    expected = [("two", "draining", "from a form"), ("two", "open", "done")]
    until(lambda: _marked_events(place) == expected, "Prefect has heard of both, once each")
    rows = place.sql("select node_id, state, why from node_marks where run_id is null and why <> '' order by marked_at")
    assert expected == [tuple(row.values()) for row in rows if row["why"] in ("from a form", "done")]


def _flow(place: Workplace, name: str, **parameters: object) -> str:
    """What the flow run of a deployed flow ends in."""
    done = subprocess.run(
        [sys.executable, "-c", FLOW, str(ROOT), name, json.dumps(parameters)],
        cwd=place.path,
        env=place.environment | place.standing_variables() | {"PREFECT_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _marked_events(place: Workplace) -> list[tuple[str, str, str]]:
    with place.standing_api() as api:
        query = {"filter": {"event": {"name": ["pulseq.node.marked"]}}}
        events = api.post("events/filter", json=query).raise_for_status().json()["events"]
    told = [(one["resource"]["prefect.resource.name"], one["payload"]) for one in sorted(events, key=_occurred)]
    return [(node, payload["state"], payload["why"]) for node, payload in told if payload["why"] in FORM_WORDS]


def _occurred(event: dict[str, Any]) -> str:
    return str(event["occurred"])


@pytest.mark.slow
def test_marks_outlive_the_scheduler_a_node_and_all_that_is_up(place: Workplace) -> None:
    _node(place, "drain", "two", "--why", "new firmware")
    mark = _list(place)["two"]["mark"]

    told = json.loads((place.home / "standing.json").read_text())
    pids = {part["name"]: part["process"]["pid"] for part in told["parts"] if part["process"]}
    for name in ("two", "scheduler"):
        os.kill(pids[name], signal.SIGKILL)
        until(lambda: _is_back(place, pids), "it was started again")
        assert mark == _list(place)["two"]["mark"]
    assert 0 == place.run("down").code
    assert 0o600 == (place.home / "marks.json").stat().st_mode & 0o777
    assert 0 == place.run("up", "--nodes", "nodes.yaml").code
    assert mark == _list(place)["two"]["mark"]
    assert "drained since" in _list(place)["two"]["why_no_work"]

    (place.home / "marks.json").write_text("{")
    assert 0 == place.run("down").code
    up = place.run("up", "--nodes", "nodes.yaml")
    assert 0 == up.code
    assert "is not believed" in up.err
    assert [None, None] == [node["mark"] for node in _list(place).values()]


def _is_back(place: Workplace, before: dict[str, int]) -> bool:
    """Whether all that was killed runs again, as another process, and all nodes are there."""
    told = json.loads((place.home / "standing.json").read_text())
    parts = {part["name"]: part for part in told["parts"]}
    return told["condition"] == "running" and parts["two"]["process"]["pid"] != before["two"]
