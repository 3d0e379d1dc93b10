"""`pulseq up`, `down` and `status` with real processes, some of which are killed.

One cluster serves all these tests; each begins with an `up`, which says no more than that it runs where it does.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.promises import OUTLIVED_SECONDS
from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, finish, until

SUITE = "suite: short\ntests:\n  - {id: a, simulate: {duration: 0.05}}\n  - {id: b, simulate: {duration: 0.05}}\n"
LONG = "suite: long\ntests:\n  - {id: long, command: [python, sleeper.py]}\n"
SLEEPER = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(63.5)\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with open_workplace(tmp_path_factory.mktemp("standing")) as workplace:
        for name, text in {"suite.yaml": SUITE, "long.yaml": LONG, "sleeper.py": SLEEPER}.items():
            workplace.write(name, text)
        yield workplace
        assert workplace.run("down").code == 0


@pytest.fixture
def standing(place: Workplace) -> Workplace:
    """A workplace with two nodes and a Prefect server that stand."""
    up = place.run("up", "-n", "2")
    assert up.code == 0, up.err
    return place


def _told(workplace: Workplace) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((workplace.home / "standing.json").read_text())
    return told


def _part(workplace: Workplace, name: str) -> dict[str, Any]:
    return next(part for part in _told(workplace)["parts"] if part["name"] == name)


def _notes(workplace: Workplace, run_id: str) -> list[str]:
    return [line["data"]["text"] for line in workplace.journal(run_id) if line["kind"] == "run_note"]


def _fleet(workplace: Workplace, run_id: str) -> str:
    """The nodes that a run says it takes."""
    return str(workplace.journal(run_id)[0]["data"]["options"]["fleet"])


def _started_body(workplace: Workplace, run_id: str) -> tuple[Any, int]:
    """A run whose only body sleeps: its driver, and the body's number."""
    pid = workplace.path / "pid"
    pid.unlink(missing_ok=True)
    run = workplace.start("run", "long.yaml", "--run-id", run_id)
    return run, int(until(lambda: pid.exists() and pid.read_text(), "the body runs"))


def test_two_runs_at_once_share_the_nodes_and_a_third_has_its_own(standing: Workplace) -> None:
    before = {process.pid for process in standing.processes()}
    runs = [standing.start("run", "suite.yaml", "--run-id", f"r{i}") for i in (1, 2)]
    ended = [*map(finish, runs), standing.run("run", "suite.yaml", "-n", "1", "--run-id", "r3")]

    assert [0, 0, 0] == [run.code for run in ended], [run.err for run in ended]
    theirs, own = "2 nodes of `pulseq up`", "1 local node"
    assert [theirs, theirs, own] == [_fleet(standing, f"r{i}") for i in (1, 2, 3)]
    assert before == {process.pid for process in standing.processes()}


def test_bodies_have_the_variables_of_the_run(standing: Workplace) -> None:
    standing.write("mark.yaml", "suite: mark\ntests:\n  - {id: mark, command: 'test $MARK = here', shell: true}\n")

    run = standing.run("run", "mark.yaml", MARK="here")

    assert run.code == 0, run.err


def test_a_second_up_says_that_it_runs_and_refuses_another_fleet(standing: Workplace) -> None:
    again, other = standing.run("up"), standing.run("up", "-n", "3")

    assert (0, 4) == (again.code, other.code)
    assert "it runs already" in again.err
    assert "another fleet runs already: 2 nodes with 2 slots, asked for 3 nodes with 3 slots" in other.err


@pytest.mark.parametrize("part", ["server", "scheduler", "node1"])
def test_a_part_that_is_killed_comes_back_and_a_run_succeeds(standing: Workplace, part: str) -> None:
    before, deaths = _told(standing), _part(standing, part)["deaths"]
    os.kill(_part(standing, part)["process"]["pid"], signal.SIGKILL)
    until(lambda: _part(standing, part)["deaths"] > deaths, "the keeper has noticed")

    run = standing.run("run", "suite.yaml", "--run-id", f"after-{part}")

    assert run.code == 0, run.err
    assert "2 nodes of `pulseq up`" == _fleet(standing, f"after-{part}")
    after = standing.run("status", "--output", "json").json
    assert (True, {"node1", "node2"}) == (after["running"], set(after["nodes"]))
    assert (before["api_url"], before["scheduler"]) == (after["prefect_api"], after["scheduler"])


def test_bodies_of_a_run_whose_driver_is_killed_end_and_the_nodes_stay(standing: Workplace) -> None:
    run, body = _started_body(standing, "killed")
    at_work = standing.run("status", "--output", "json").json["nodes"].values()
    assert [["killed"]] == [node["runs"] for node in at_work if node["runs"]]

    os.kill(run.pid, signal.SIGKILL)

    until(lambda: not psutil.pid_exists(body), "the body has ended", OUTLIVED_SECONDS)
    after = standing.run("status", "--output", "json").json
    assert [0, 0] == [node["dispatches"] for node in after["nodes"].values()]


def test_down_ends_a_run_that_goes_on_and_leaves_nothing(standing: Workplace) -> None:
    run, _ = _started_body(standing, "ended")

    down = standing.run("down")
    ended = finish(run)

    assert (0, 10) == (down.code, ended.code), ended.err
    assert "note: `pulseq down` has ended the nodes that this run was using" in ended.err
    assert [] == standing.processes()
    assert {".gitignore", "prefect", "results.duckdb", "runs"} == set(os.listdir(standing.home))
    assert [] == list(standing.temp.glob("pulseq-*"))


def test_a_keeper_that_is_killed_takes_its_processes_along_and_the_next_run_says_so(standing: Workplace) -> None:
    os.kill(_told(standing)["keeper"]["pid"], signal.SIGKILL)
    until(lambda: not standing.processes(), "all of it is gone", OUTLIVED_SECONDS)

    status = standing.run("status")
    run = standing.run("run", "suite.yaml", "--run-id", "alone")

    assert (1, 0) == (status.code, run.code), run.err
    assert "what `pulseq up` had started has died" in status.err
    assert "what `pulseq up` had started has died" in _notes(standing, "alone")[0]


def test_where_nothing_runs_down_and_status_say_so(bare_workplace: Workplace) -> None:
    down, status = bare_workplace.run("down"), bare_workplace.run("status", "--output", "json")

    assert (0, "nothing runs\n") == (down.code, down.err)
    assert (1, False) == (status.code, status.json["running"])
