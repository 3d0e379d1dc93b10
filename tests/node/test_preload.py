"""What Dask calls to make a node of a worker; the whole is tried in tests/system/test_dask_cluster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from distributed import Scheduler, Worker

from pulseq.cluster.health import look_at_nodes, reach_scheduler
from pulseq.node import preload, probe
from pulseq.node.preload import dask_setup, make_id
from pulseq.processes.native_threads import with_variables
from tests.dask_nodes import open_node, open_scheduler
from tests.dask_nodes import open_worker as open_labelled


@pytest.mark.parametrize(
    ("name", "node_id"),
    [
        ("lab1", "lab1"),
        ("SLURMCluster-0", "SLURMCluster-0"),
        ("tcp://10.0.0.1:4711", "tcp-10.0.0.1-4711"),
        ("-x y", "x-y"),
        ("é", ""),
        ("a" * 200, "a" * 100),
    ],
)
def test_any_name_makes_an_id(name: str, node_id: str) -> None:
    assert node_id == make_id(name)


def open_worker(scheduler: Scheduler, *arguments: str, **options: Any) -> Worker:
    return Worker(
        scheduler.address,
        host="127.0.0.1",
        memory_limit=0,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        preload=["pulseq.node.preload"],
        preload_argv=list(arguments),
        **options,
    )


def registered(scheduler: Scheduler, worker: Worker) -> dict[str, Any]:
    told: dict[str, Any] = scheduler.identity(n_workers=-1)["workers"][worker.address]["pulseq"]
    return told


def in_cluster(story: Callable[[Scheduler], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def tell() -> None:
        async with open_scheduler() as scheduler:
            await story(scheduler)

    asyncio.run(asyncio.wait_for(tell(), 60))
    assert [] == list(tmp_path.glob("pulseq-*"))


def test_a_worker_is_a_node_as_its_arguments_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def story(scheduler: Scheduler) -> None:
        arguments = ("--id", "lab1", "--label", "browser=chrome", "--label", "browser=firefox", "--slots", "3")
        async with open_worker(scheduler, *arguments, nthreads=2, name="w") as worker:
            said = registered(scheduler, worker)
            assert ("lab1", 3, "joined") == (said["id"], said["slots"], said["way"])
            assert ("chrome", "firefox") == tuple(said["capabilities"]["browser"])
            assert 2 == scheduler.workers[worker.address].nthreads

    in_cluster(story, monkeypatch, tmp_path)


def test_without_arguments_it_is_as_its_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def story(scheduler: Scheduler) -> None:
        async with open_worker(scheduler, nthreads=2, name="SLURMCluster-1") as worker:
            said = registered(scheduler, worker)
            assert ("SLURMCluster-1", 2) == (said["id"], said["slots"])

    in_cluster(story, monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--label", "chrome"), "found 'chrome', expected KEY=VALUE, as browser=chrome"),
        (("--slots", "0"), "0 is not in the range"),
        (("--id", "a b"), "found 'a b', expected up to 100 letters"),
        (("--lable", "a=b"), "No such option"),
    ],
)
def test_with_wrong_arguments_it_says_why_it_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    async def story(scheduler: Scheduler) -> None:
        async with open_worker(scheduler, *arguments, name="w") as worker:
            said = registered(scheduler, worker)
            assert "w" == said["id"]
            assert words in said["trouble"]

    in_cluster(story, monkeypatch, tmp_path)


def test_a_second_worker_of_its_process_says_why_it_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def story(scheduler: Scheduler) -> None:
        async with open_worker(scheduler, name="one"), open_worker(scheduler, name="two") as second:
            assert "give each worker a process of its own" in registered(scheduler, second)["trouble"]

    in_cluster(story, monkeypatch, tmp_path)


def test_the_id_of_a_node_that_lives_is_refused_with_both_addresses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def story(scheduler: Scheduler) -> None:
        async with open_node(scheduler, "lab1") as first, open_worker(scheduler, "--id", "lab1") as twin:
            said = registered(scheduler, twin)
            assert f"there is a node 'lab1' already, on 127.0.0.1 at {first.address!r}" in said["trouble"]
            assert f"give this one, at {twin.address!r}, another --id" in said["trouble"]
            assert f"{twin.port}-lab1" == said["id"]
            async with reach_scheduler(scheduler.address) as asked:  # whoever looks at the nodes is not in its way
                seen = await look_at_nodes(asked, probe_seconds=10)
            assert {"lab1": first.address, said["id"]: twin.address} == {node.node_id: node.address for node in seen}

    in_cluster(story, monkeypatch, tmp_path)


def test_the_id_of_a_node_that_does_not_answer_is_taken_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    labels = {"id": "lab1", "slots": 1, "capabilities": {}}

    async def story(scheduler: Scheduler) -> None:
        async with open_labelled(scheduler, "before", labels) as before, open_worker(scheduler, "--id", "lab1") as now:
            assert before.address not in scheduler.workers
            assert "lab1" == registered(scheduler, now)["id"]

    in_cluster(story, monkeypatch, tmp_path)


def test_a_worker_ends_with_its_node_of_which_something_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_: object) -> int:
        raise LookupError("no eyes")

    async def story(scheduler: Scheduler) -> None:
        monkeypatch.setattr(probe, "count_strays", fail)
        async with open_worker(scheduler, "--id", "lab1") as worker:
            async with reach_scheduler(scheduler.address) as asked:
                await look_at_nodes(asked, probe_seconds=10)
            await worker.finished()
            assert worker.address not in scheduler.workers

    in_cluster(story, monkeypatch, tmp_path)


@pytest.mark.processes
def test_the_command_line_refuses_wrong_arguments_before_anything_starts() -> None:
    command = [sys.executable, "-m", "dask", "worker", "tcp://127.0.0.1:1", "--preload", "pulseq.node.preload"]
    done = subprocess.run([*command, "--label", "chrome"], capture_output=True, text=True, timeout=120)

    assert 2 == done.returncode
    assert "found 'chrome', expected KEY=VALUE, as browser=chrome" in done.stderr


def test_what_a_nanny_sets_for_its_worker_is_not_for_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "8", "PYTHONHASHSEED": "6640"}.items():
        monkeypatch.setenv(name, value)

    preload._forget_settings_of_nanny()

    assert [False, True, False] == [
        name in os.environ for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
    ]


def test_the_environment_of_the_owner_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "theirs")
    monkeypatch.delenv("B", raising=False)

    with with_variables({"A": "ours", "B": "ours"}):
        assert ("ours", "ours") == (os.environ["A"], os.environ["B"])

    assert ("theirs", None) == (os.environ["A"], os.environ.get("B"))


@pytest.mark.processes
def test_little_is_loaded_to_look_at_the_arguments() -> None:
    """A nanny loads it too, beside each worker."""
    code = "import sys, pulseq.node.preload; print('prefect' in sys.modules)"
    assert "False" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()


def test_it_is_a_command_for_dask_to_parse() -> None:
    parameters = {parameter.name for parameter in dask_setup.params}
    assert {"node_id", "labels", "slots"} == parameters
