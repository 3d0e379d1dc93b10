"""Processes of ours that are stopped (SIGSTOP), which nobody hears of: runs have their verdicts, and leave nothing."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from typing import Any

import psutil
import pytest

from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import Workplace, finish, until

TESTS = 60
SUITE = "suite: many\ntests:\n" + "".join(f"  - {{id: t{i}, command: [sleep, '0.2']}}\n" for i in range(TESTS))
TWO_NODES = ("-n", "2")
ITEMS = {
    "pytest.ini": "[pytest]\n",
    "test_stops.py": """
import os, signal, pytest
@pytest.mark.parametrize("n", range(20))
def test_n(n):
    if n == 10:
        os.kill(os.getppid(), signal.SIGSTOP)
""",
}


def _module_of(process: psutil.Process) -> str:
    # As psutil has it: a process may end while it is looked at.
    try:
        line = process.cmdline()
    except psutil.Error:
        return ""
    return line[line.index("-m") + 1] if "-m" in line[:-1] else ""


def _ours(workplace: Workplace, *modules: str) -> list[psutil.Process]:
    """Processes of these modules of ours."""
    return [one for one in workplace.processes() if _module_of(one).rpartition(".")[2] in modules]


def _verdicts(workplace: Workplace, run_id: str) -> Counter[str]:
    closed = [line["data"] for line in workplace.journal(run_id) if line["kind"] == "test_closed"]
    return Counter(one["status"] for one in closed)


def _notes(workplace: Workplace, run_id: str) -> list[str]:
    return [line["data"]["text"] for line in workplace.journal(run_id) if line["kind"] == "run_note"]


def _start_and_wait(workplace: Workplace, *options: str) -> Any:
    workplace.write("many.yaml", SUITE)
    run = workplace.start("run", "many.yaml", *options, "--run-id", "run", "-q")
    until(lambda: _verdicts(workplace, "run").total() > 3, "the run goes on")
    return run


@pytest.mark.slow
def test_a_pytest_item_that_stops_its_parent_keeps_nobody_waiting(workplace: Workplace) -> None:
    for name, text in ITEMS.items():
        workplace.write(f"suite/{name}", text)

    ended = workplace.run("run", "suite", "-n", "1", "--timeout", "3", "--run-id", "run")

    assert ended.code == 0, ended.err
    assert {"passed": 20} == _verdicts(workplace, "run")


@pytest.mark.parametrize(
    "stopped",
    ["scheduler_process", *(pytest.param(name, marks=pytest.mark.slow) for name in ("fork_process", "server_process"))],
)
def test_a_run_whose_processes_are_stopped_goes_on(bare_workplace: Workplace, prefect_api: str, stopped: str) -> None:
    if stopped != "server_process":  # which only a run without an API has
        bare_workplace.environment["PREFECT_API_URL"] = prefect_api
    run = _start_and_wait(bare_workplace, *TWO_NODES)
    victims = _ours(bare_workplace, stopped)
    assert victims
    for victim in victims:
        victim.suspend()

    ended = finish(run)

    assert ended.code == 0, ended.err
    assert {"passed": TESTS} == _verdicts(bare_workplace, "run")
    assert any("had been stopped by SIGSTOP and is continued" in note for note in _notes(bare_workplace, "run"))


@pytest.mark.slow
def test_a_run_that_is_ended_ends_what_is_stopped(bare_workplace: Workplace) -> None:
    run = _start_and_wait(bare_workplace, *TWO_NODES)
    for process in bare_workplace.processes():
        if process.pid != run.pid:
            with contextlib.suppress(psutil.NoSuchProcess):  # a body may end meanwhile
                process.suspend()
    os.kill(run.pid, signal.SIGKILL)

    # What is above a body has to be continued before it can end it.
    until(lambda: not bare_workplace.processes(), "nothing is left of the run", 2 * OUTLIVED_SECONDS)
    finish(run)


@pytest.mark.slow
def test_down_ends_what_is_stopped(bare_workplace: Workplace) -> None:
    up = bare_workplace.run("up", "-n", "2")
    assert up.code == 0, up.err
    assert len(_ours(bare_workplace, "standing_process", "fork_process", "server_process", "scheduler_process")) == 4
    for process in bare_workplace.processes():
        process.suspend()

    down = bare_workplace.run("down")

    assert down.code == 0, down.err
    assert [] == bare_workplace.processes()


@pytest.mark.slow
def test_a_stopped_process_of_up_is_continued_or_replaced(bare_workplace: Workplace) -> None:
    bare_workplace.write("short.yaml", "suite: short\ntests:\n  - {id: a, command: ['true']}\n")
    up = bare_workplace.run("up", "-n", "1")
    assert up.code == 0, up.err
    for process in _ours(bare_workplace, "fork_process", "server_process", "scheduler_process", "run_host"):
        process.suspend()

    ended = bare_workplace.run("run", "short.yaml", "--run-id", "run")

    assert ended.code == 0, ended.err
    assert {"passed": 1} == _verdicts(bare_workplace, "run")
    assert bare_workplace.run("down").code == 0


@pytest.mark.slow
def test_a_run_sees_to_who_sees_to_the_nodes_that_it_uses(workplace: Workplace) -> None:
    up = workplace.run("up", *TWO_NODES)
    assert up.code == 0, up.err
    run = _start_and_wait(workplace)
    for process in _ours(workplace, "standing_process", "scheduler_process"):
        process.suspend()

    ended = finish(run)

    assert ended.code == 0, ended.err
    assert {"passed": TESTS} == _verdicts(workplace, "run")
    assert workplace.run("down").code == 0
