"""Processes for tasks of anybody's flow, and their slots; without Prefect's server, whose tasks system tests run."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import psutil
import pytest

from pulseq.errors import InfrastructureError
from pulseq.node.node_slots import NodeSlots
from pulseq.node.task_processes import FlowTasks, TaskProcesses
from pulseq.protocol.to_node import RunTask
from tests.system.workplace import until

API = "http://127.0.0.1:9/api"
SETUP = json.dumps(
    {"environment": {"WORD": "told", "PREFECT_API_URL": API}, "directory": "/", "path": ["/nowhere", *sys.path]}
).encode()


class Loaded:
    """A request that does something to its process when it is loaded."""

    def __init__(self, does: str) -> None:
        self._does = does

    def __reduce__(self) -> Any:
        return exec, (self._does,)


def request(does: str) -> bytes:
    packed: bytes = cloudpickle.dumps(Loaded(does))
    return packed


Children = Callable[[], list[psutil.Process]]


@pytest.fixture
def children() -> Children:
    """Processes that this test has started; those of others in this process are none of its business."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: [one for one in psutil.Process().children(recursive=True) if one not in before]


@pytest.fixture
def processes(children: Children) -> Iterator[TaskProcesses]:
    made = TaskProcesses(SETUP)
    yield made
    made.close()
    assert [] == children()


def test_a_process_serves_on_after_what_cannot_be_loaded(
    processes: TaskProcesses, children: Children, tmp_path: Path
) -> None:
    say = f"import os; open({str(tmp_path / 'told')!r}, 'a').write(f\"{{os.getcwd()}} {{os.environ['WORD']}}\\n\")"

    first = cloudpickle.loads(processes.ask(request(f"{say}; import nothing_of_this_name")))
    processes.ask(request(say))

    assert str(first).startswith("the task cannot be loaded on this node: ModuleNotFoundError: No module named 'not")
    assert "/ told\n/ told\n" == (tmp_path / "told").read_text()
    assert 1 == len(children())


def test_a_process_asks_an_api_on_loopback_without_a_proxy(
    processes: TaskProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", ".example")

    processes.ask(request(f"import os; open({str(tmp_path / 'told')!r}, 'w').write(os.environ['no_proxy'])"))

    assert ".example,127.0.0.1,localhost,::1" == (tmp_path / "told").read_text()


def test_a_process_that_ends_is_told_with_its_code_and_replaced(processes: TaskProcesses) -> None:
    with pytest.raises(InfrastructureError, match="the process of this task has ended with 7"):
        processes.ask(request("import os; os._exit(7)"))

    assert "cannot be loaded" in str(cloudpickle.loads(processes.ask(request("1 / 0"))))


def test_closing_ends_what_runs_and_all_that_it_has_started(children: Children, tmp_path: Path) -> None:
    processes = TaskProcesses(SETUP)
    begun = tmp_path / "begun"
    hang = f"import subprocess, time; subprocess.Popen(['sleep', '63']); open({str(begun)!r}, 'w'); time.sleep(63)"
    errors: list[Exception] = []

    def ask() -> None:
        try:
            processes.ask(request(hang))
        except InfrastructureError as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until(begun.exists, "the task has begun")
    started = children()
    processes.close()
    asking.join()

    assert 2 == len(started)
    assert [] == psutil.wait_procs(started, timeout=10)[1]
    assert ["the process of this task has ended with -9"] == list(map(str, errors))


def test_a_flow_run_that_is_over_starts_nothing() -> None:
    processes = TaskProcesses(SETUP)
    processes.close()

    with pytest.raises(InfrastructureError, match="the flow run of this task has ended"):
        processes.ask(b"")


def test_what_waits_for_a_slot_ends_with_its_flow_run() -> None:
    async def main() -> str:
        slots = NodeSlots(0)
        with ThreadPoolExecutor(1) as threads:
            tasks = FlowTasks(slots, threads)
            waiting = asyncio.create_task(tasks.run("flow", RunTask(SETUP, b"")))
            await asyncio.sleep(0)
            assert 0 == tasks.running
            await tasks.leave("flow")
            with pytest.raises(InfrastructureError) as caught:
                await waiting
        return str(caught.value)

    assert "the flow run of this task has ended" == asyncio.run(main())


def test_a_process_ends_with_its_node(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    hang = f"import os, time; open({str(begun)!r}, 'w').write(str(os.getpid())); time.sleep(63)"
    program = (
        "import sys; from pulseq.node.task_processes import TaskProcesses; "
        f"TaskProcesses({SETUP!r}).ask({request(hang)!r})"
    )
    node = psutil.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        pid = int(until(lambda: begun.exists() and begun.read_text(), "the task has begun"))
    finally:
        node.kill()
        node.wait()

    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "it has ended")
