"""A flow that is none of ours, on two nodes of `pulseq up` that are not alike."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.system.conftest import open_workplace
from tests.system.workplace import PATIENCE_SECONDS, Workplace, until

NODES = """
nodes:
  - {id: one, host: localhost, capabilities: {browser: chrome}, max_concurrent_tests: 2}
  - {id: two, host: localhost, capabilities: {browser: firefox}}
"""
#: Told of each flow: what it has found, as JSON in its last line.
HEAD = """
import asyncio, json, os, sys, threading, time
from pathlib import Path
from prefect import flow, task, unmapped
from pulseq.distributed import NodeTaskRunner, requires

@task
def where(number=0, other=None):
    return [os.getppid(), number]
"""
ALL_KINDS = """
from helper_of_this_flow import double

@task
async def in_a_loop(number):
    await asyncio.sleep(0)
    return double(number)

@task(retries=2, retry_delay_seconds=0.1)
def late_to_pass(place):
    with open(place, "a") as file:
        file.write("x")
    if os.stat(place).st_size < 3:
        raise ValueError("not yet")
    return os.stat(place).st_size

@task(timeout_seconds=1)
def hangs():
    threading.Event().wait()

@task(timeout_seconds=1)
async def hangs_in_a_loop():
    await asyncio.Event().wait()

@task
def fails():
    raise KeyError("this one")

@task
def dies():
    os._exit(7)

@task
def cannot_be_sent():
    return threading.Lock()

def state(future):
    future.wait()
    return [future.state.name, future.state.message]

@flow(task_runner=NodeTaskRunner())
def kinds():
    one = where.submit(1)
    failed = fails.submit()
    return {
        "chained": in_a_loop.submit(requires(in_a_loop, browser="firefox").submit(5)).result(),
        "inside": where.submit([one]).result()[1][0][1],
        "chrome": [found[0] for found in requires(where, browser="chrome").map(range(4)).result()],
        "firefox": [requires(where, browser="firefox").submit().result()[0]],
        "mapped": [found[1] for found in where.map([7, 8], unmapped(3)).result()],
        "retried": late_to_pass.submit("tries").result(),
        "hangs": state(hangs.submit()),
        "hangs in a loop": state(hangs_in_a_loop.submit()),
        "fails": state(failed),
        "after a failure": state(where.submit(failed)),
        "waits for a failure": state(where.submit(wait_for=[failed])),
        "waits for one": where.submit(2, wait_for=[one]).result()[1],
        "dies": state(dies.submit()),
        "cannot be sent": state(cannot_be_sent.submit()),
        "no node": state(requires(where, browser="safari").submit()),
        "cannot be pickled": state(where.submit(sys._getframe())),
    }

print(json.dumps(kinds()))
"""
IN_A_LOOP = """
@flow(task_runner=NodeTaskRunner(scheduler=sys.argv[1]))
async def in_a_loop():
    futures = [where.submit(number) for number in range(3)]
    return [future.result()[1] for future in futures]

print(json.dumps(asyncio.run(in_a_loop())))
"""
BUSY = """
@task
def busy():
    began = time.time()
    time.sleep(0.3)
    return [os.getppid(), began, time.time()]

@flow(task_runner=NodeTaskRunner())
def crowd():
    Path("begun").touch()
    return [future.result() for future in [busy.submit() for _ in range(12)]]

print(json.dumps(crowd()))
"""
WAITS = """
@task
def waits(name):
    Path(f"begun-{name}-{os.getppid()}").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    return os.getppid()

@flow(task_runner=NodeTaskRunner())
def waiting():
    return [future.result() for future in [requires(waits, browser="firefox").submit(name) for name in "ab"]]

print(json.dumps(waiting()))
"""
SUITE = "suite: beside\ntests:\n" + "".join(f"  - {{id: t{n}, command: [sleep, '0.3']}}\n" for n in range(8))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with open_workplace(tmp_path_factory.mktemp("flow")) as workplace:
        for name, text in {"ours.yaml": NODES, "suite.yaml": SUITE, "flows/helper_of_this_flow.py": HELPER}.items():
            workplace.write(name, text)
        up = workplace.run("up", "--nodes", "ours.yaml")
        assert up.code == 0, up.err
        workplace.environment |= workplace.standing_variables()
        yield workplace
        assert workplace.run("down").code == 0


HELPER = "def double(number):\n    return 2 * number\n"


def start_flow(place: Workplace, text: str, *arguments: str) -> subprocess.Popen[str]:
    return place.start_program(place.write("flows/program.py", HEAD + text), *arguments)


def told_by(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=2 * PATIENCE_SECONDS)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def kinds(place: Workplace) -> dict[str, Any]:
    """What a flow with tasks of all kinds says of them."""
    told: dict[str, Any] = told_by(start_flow(place, ALL_KINDS))
    return told


def test_tasks_go_by_their_requirements_and_come_to_what_prefect_says(place: Workplace, kinds: dict[str, Any]) -> None:
    nodes = {name: process.pid for name, process in place.nodes().items()}
    told = dict(kinds)

    assert {nodes["one"]} == set(told.pop("chrome"))
    assert [nodes["two"]] == told.pop("firefox")
    assert [7, 8] == told.pop("mapped")
    upstream = "Upstream task run '…' did not reach a 'COMPLETED' state."
    states = {name: [found[0], hide_id(found[1])] for name, found in told.items() if isinstance(found, list)}
    states["cannot be pickled"][1], states["cannot be sent"][1] = "", ""  # the words are Python's
    assert {
        "hangs": ["TimedOut", "Task run exceeded timeout of 1.0 second(s)"],
        "hangs in a loop": ["TimedOut", "Task run exceeded timeout of 1.0 second(s)"],
        "fails": ["Failed", "Task run encountered an exception KeyError: 'this one'"],
        "after a failure": ["NotReady", upstream],
        "waits for a failure": ["NotReady", upstream],
        "dies": ["Crashed", "the process of this task has ended with 7"],
        "cannot be sent": ["Crashed", ""],
        "no node": ["Failed", "no node fits browser=safari: nearest is one, which has browser=chrome"],
        "cannot be pickled": ["Crashed", ""],
    } == states
    plain = {name: found for name, found in told.items() if not isinstance(found, list)}
    assert {"chained": 20, "inside": 1, "retried": 3, "waits for one": 2} == plain


def hide_id(message: Any) -> str:
    before, quote, rest = str(message).partition("run '")
    return f"{before}{quote}…'{rest.partition(chr(39))[2]}" if quote else before


@pytest.mark.usefixtures("kinds")
def test_prefect_has_what_became_of_each_task(place: Workplace) -> None:
    def states() -> set[tuple[str, str]]:
        with place.standing_api() as api:
            runs = api.post("/task_runs/filter", json={"flows": {"name": {"any_": ["kinds"]}}}).json()
        return {(run["name"].rpartition("-")[0], run["state"]["name"]) for run in runs}

    expected = {
        ("where", "Completed"),
        ("where", "Failed"),
        ("where", "Crashed"),
        ("where", "NotReady"),
        ("in_a_loop", "Completed"),
        ("late_to_pass", "Completed"),
        ("hangs", "TimedOut"),
        ("hangs_in_a_loop", "TimedOut"),
        ("fails", "Failed"),
        ("dies", "Crashed"),
    }
    until(lambda: expected <= states(), "the server has all of them", 30)


@pytest.mark.slow
def test_an_async_flow_names_a_scheduler(place: Workplace) -> None:
    scheduler = json.loads((place.home / "standing.json").read_text())["scheduler"]

    assert [0, 1, 2] == told_by(start_flow(place, IN_A_LOOP, scheduler))


@pytest.mark.slow
def test_a_flow_and_a_suite_share_the_slots_of_a_node(place: Workplace) -> None:
    nodes = {name: process.pid for name, process in place.nodes().items()}
    flow = start_flow(place, BUSY)
    until((place.path / "begun").exists, "the flow has begun")

    run = place.run("run", "suite.yaml", "--run-id", "beside")

    assert run.code == 0, run.err
    spans: dict[str, list[tuple[float, float]]] = {"one": [], "two": []}
    for process, began, ended in told_by(flow):
        spans[next(name for name, pid in nodes.items() if pid == process)].append((began, ended))
    for line in place.journal("beside"):
        if line["kind"] == "attempt_finished":
            result = line["data"]["result"]
            spans[result["node_id"]].append((result["started_at"], result["started_at"] + result["duration"]))
    assert 20 == len(spans["one"]) + len(spans["two"])
    assert {"one": 2, "two": 1} == {name: most_at_once(found) for name, found in spans.items()}


def most_at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans)


def test_a_task_whose_node_dies_runs_again_where_a_node_comes_back(place: Workplace) -> None:
    before = place.nodes()["two"]
    flow = start_flow(place, WAITS)
    until((place.path / f"begun-a-{before.pid}").exists, "the first task has begun")

    before.send_signal(signal.SIGKILL)
    after = until(lambda: (node := place.nodes().get("two")) != before and node, "the node is back")
    (place.path / "go").touch()

    assert [after.pid] * 2 == told_by(flow)


def test_what_runs_ends_with_its_flow_however_that_ends(place: Workplace) -> None:
    flow = start_flow(place, WAITS.replace("begun-", "started-").replace('"go"', '"never"'))
    until(lambda: list(place.path.glob("started-a-*")), "the first task has begun")

    flow.kill()
    flow.communicate()

    def of_tasks() -> list[str]:
        found: list[str] = []
        for process in place.processes():
            with contextlib.suppress(psutil.Error):  # it may end while it is looked at
                found.append(" ".join(process.cmdline()))
        return [line for line in found if "task_process" in line]

    until(lambda: not of_tasks(), "the processes of its tasks have ended", 30)


def test_without_a_fleet_the_flow_says_what_to_do(place: Workplace) -> None:
    place.environment["PULSEQ_HOME"], home = str(place.path / "nowhere"), place.environment["PULSEQ_HOME"]
    try:
        flow = start_flow(place, ALL_KINDS)
        _, err = flow.communicate(timeout=PATIENCE_SECONDS)
    finally:
        place.environment["PULSEQ_HOME"] = home

    assert flow.returncode == 1
    assert "expected some: `pulseq up` starts them, `scheduler=` names the Dask scheduler of others" in err
