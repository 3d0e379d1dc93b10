"""Runs on a cluster of Dask's own programs, whose workers have preloaded a node."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from pulseq.processes.native_threads import VARIABLES
from pulseq.protocol.entry_points import MARKS_KEY
from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import Workplace, finish, until

PRELOAD = ("--preload", "pulseq.node.preload")
#: `dask …`, of a PulseQ of another version.
OTHER_VERSION = "import pulseq, sys; pulseq.__version__ = '0.0.9'; from distributed.cli.dask_worker import main; main()"
#: A scheduler in a Python that has no PulseQ.
NO_PULSEQ = "import sys; sys.modules['pulseq'] = None; from distributed.cli.dask_scheduler import main; main()"
#: A flow of one task, which says when it begins for which time, and ends when it is told to.
FLOW = """
import sys, time
from pathlib import Path
from prefect import flow, task
from pulseq.distributed import NodeTaskRunner

@task
def waits():
    time_of_it = 1 + len(list(Path.cwd().glob("*.began")))
    Path(f"{time_of_it}.began").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    return time_of_it

@flow(task_runner=NodeTaskRunner(scheduler=sys.argv[1]))
def waiting():
    return waits.submit().result()

print(waiting())
"""


@dataclass
class DaskCluster:
    """A scheduler and workers, as somebody starts them who knows nothing of PulseQ."""

    workplace: Workplace
    address: str = ""
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        log = self.workplace.path / f"dask-{len(self._processes)}.log"
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=self.workplace.path,
                env=self.workplace.environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def start_scheduler(self, *program: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.start(
            *(program or ("-m", "dask", "scheduler")), "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )
        until(lambda: _listens(port), "the scheduler listens")

    def start_worker(
        self, *arguments: str, nanny: bool = False, program: tuple[str, ...] = ("-m", "dask", "worker")
    ) -> subprocess.Popen[bytes]:
        """One more worker; with a nanny, as Dask has it by itself, it is two interpreters."""
        here = ("--host", "127.0.0.1", "--no-dashboard", "--nthreads", "1", *(() if nanny else ("--no-nanny",)))
        return self.start(*program, self.address, *here, *arguments)

    def labels(self) -> list[dict[str, Any]]:
        """What each worker that is there has registered; nothing for one that is no node."""
        with Client(self.address, set_as_default=False) as client:
            return [worker.get("pulseq", {}) for worker in client.scheduler_info(n_workers=-1)["workers"].values()]

    def wait_for(self, workers: int) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = until(
            lambda: labels if len(labels := self.labels()) == workers else None, f"{workers} workers are there"
        )
        return told

    def run(self, suite: Path, *arguments: str) -> Any:
        return self.workplace.run("run", suite, "--scheduler", self.address, "--output", "json", *arguments)

    def end(self) -> None:
        # The scheduler last: a worker that loses it while its nanny ends it waits for that one, until it is killed.
        scheduler, *workers = self._processes
        for process in workers:
            process.terminate()
        for process in (*workers, scheduler):
            if process is scheduler:
                process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def open_cluster(workplace: Workplace, *scheduler: str) -> Iterator[DaskCluster]:
    cluster = DaskCluster(workplace)
    try:
        cluster.start_scheduler(*scheduler)
        yield cluster
    finally:
        cluster.end()
    until(lambda: not left_by_nodes(workplace), "nodes have left nothing", OUTLIVED_SECONDS)


@pytest.fixture
def cluster(workplace: Workplace) -> Iterator[DaskCluster]:
    for name in VARIABLES:  # these tests may be bodies of ours, which have them
        workplace.environment.pop(name, None)
    with open_cluster(workplace) as opened:
        yield opened


def left_by_nodes(workplace: Workplace) -> list[Path]:
    return list(workplace.temp.glob("pulseq-*"))


def attempts(workplace: Workplace, run_id: str) -> list[tuple[str, int, str, str | None]]:
    told = workplace.sql(
        f"SELECT test_id, attempt, node_id, reason FROM attempts WHERE run_id = '{run_id}' ORDER BY test_id, attempt"
    )
    return [(row["test_id"], row["attempt"], row["node_id"], row["reason"]) for row in told]


def write_waiting_suite(workplace: Workplace, *tests: str) -> Path:
    """Tests that say that they are there, and end when they are told to."""
    lines = "\n".join(
        f"  - {{id: {test}, command: [{sys.executable}, wait.py, {workplace.path / test}]}}" for test in tests
    )
    workplace.write(
        "project/wait.py",
        textwrap.dedent("""
            import os, sys, time
            from pathlib import Path
            with open(f"{sys.argv[1]}.began", "a") as file:
                file.write(f"{os.getpid()}\\n")
            while not Path(sys.argv[1]).with_name("go").exists():
                time.sleep(0.02)
        """),
    )
    return workplace.write("project/suite.yaml", f"suite: waiting\ntests:\n{lines}\n")


def test_workers_that_have_preloaded_a_node_run_a_suite(cluster: DaskCluster) -> None:
    told = ("--label", "browser=chrome", "--label", "arm=true", "--slots", "2")
    cluster.start_worker("--name", "lab1", *PRELOAD, *told, nanny=True)
    cluster.start_worker(*PRELOAD, "--id", "lab2")
    cluster.start_worker("--name", "stranger")
    assert [1, 2] == sorted(told["slots"] for told in cluster.wait_for(3) if told)
    cluster.workplace.write(
        "project/unit/test_unit.py",
        "def test_one(tmp_path):\n    assert tmp_path.is_dir()\n\ndef test_two():\n    assert 0\n",
    )
    suite = cluster.workplace.write(
        "project/suite.yaml",
        """
        suite: outside
        tests:
          - {id: chrome, command: "true", requirements: {browser: chrome, arm: true}}
          - {id: any, command: [sh, -c, 'test -z "$OMP_NUM_THREADS$PREFECT_API_URL$PYTHONHASHSEED"']}
          - {id: unit, pytest: unit}
        """,
    )

    done = cluster.run(suite)

    assert 1 == done.code, done.err
    assert (3, 1) == (done.json["counts"]["passed"], done.json["counts"]["failed"])
    assert ("chrome", 1, "lab1", None) in attempts(cluster.workplace, done.json["run_id"])
    nodes = cluster.workplace.sql("SELECT DISTINCT node_id FROM nodes ORDER BY 1")
    assert [{"node_id": "lab1"}, {"node_id": "lab2"}] == nodes
    assert 1 == done.err.count("1 worker there is no PulseQ node and gets no tests"), done.err


def _let_drivers_go(dask_scheduler: Any) -> None:
    for client, connection in dask_scheduler.client_comms.items():
        if client.startswith("Client-pulseq-run-"):
            connection.abort()


def test_a_run_whose_link_was_down_for_too_long_goes_on_when_it_is_back(cluster: DaskCluster) -> None:
    for name in ("lab1", "lab2"):
        cluster.start_worker("--name", name, *PRELOAD)
    cluster.wait_for(2)
    place = cluster.workplace
    suite = write_waiting_suite(place, "a", "b", "c")
    run = place.start("run", suite, "--scheduler", cluster.address, "--run-id", "cut")
    until(lambda: len(list(place.path.glob("?.began"))) == 2, "two tests are under way")
    with Client(cluster.address, set_as_default=False) as client:
        client.run_on_scheduler(_let_drivers_go)
    until(lambda: "node_lost" in {line["kind"] for line in place.journal("cut")}, "the run has noticed")
    (place.path / "go").touch()

    ended = finish(run)

    assert ended.code == 0, ended.err
    assert "is reached again" in ended.err
    assert "3 passed" in ended.err
    told = attempts(place, "cut")
    lost = [(test, attempt) for test, attempt, _, reason in told if reason == "node_lost"]
    assert 2 == len(lost)
    assert {("a", "passed"), ("b", "passed"), ("c", "passed")} == {
        (row["test_id"], row["status"]) for row in place.sql("SELECT test_id, status FROM results WHERE run_id = 'cut'")
    }


@pytest.mark.slow
def test_a_flow_whose_link_was_down_for_too_long_goes_on_when_it_is_back(cluster: DaskCluster) -> None:
    cluster.start_worker("--name", "lab1", *PRELOAD)
    cluster.wait_for(1)
    place = cluster.workplace
    flow = place.start_program(place.write("flow.py", FLOW), cluster.address)
    until((place.path / "1.began").exists, "the task is under way")
    with Client(cluster.address, set_as_default=False) as client:
        client.run_on_scheduler(_let_drivers_go)
    until((place.path / "2.began").exists, "the task is under way again")
    (place.path / "go").touch()

    ended = finish(flow)

    assert (0, "2\n") == (ended.code, ended.out), ended.err


def test_a_scheduler_without_a_node_is_told_with_what_to_do(cluster: DaskCluster) -> None:
    cluster.start_worker("--name", "stranger")
    cluster.wait_for(1)

    done = cluster.run(write_waiting_suite(cluster.workplace, "a"))

    assert 10 == done.code
    assert f"the scheduler at '{cluster.address}' has no PulseQ node, but 1 worker of others" in done.err
    assert f"dask worker {cluster.address} --preload pulseq.node.preload" in done.err


def test_a_node_of_another_version_is_refused_with_both(cluster: DaskCluster) -> None:
    cluster.start_worker("--name", "old", *PRELOAD, program=("-c", OTHER_VERSION))
    cluster.wait_for(1)

    done = cluster.run(write_waiting_suite(cluster.workplace, "a"))

    assert 10 == done.code
    assert "old cannot take part: it has PulseQ 0.0.9, this side 0.1.0" in done.err


def test_a_scheduler_that_has_no_pulseq_is_told(workplace: Workplace) -> None:
    with open_cluster(workplace, "-c", NO_PULSEQ) as cluster:
        done = cluster.run(write_waiting_suite(workplace, "a"))

    assert 10 == done.code
    assert "cannot take PulseQ's plug-ins" in done.err
    assert "install the same release of PulseQ where it runs" in done.err


@pytest.mark.slow
def test_slots_and_the_owners_threads_do_not_wait_for_each_other(cluster: DaskCluster) -> None:
    cluster.start_worker("--name", "lab1", *PRELOAD, "--slots", "2")
    cluster.wait_for(1)
    suite = write_waiting_suite(cluster.workplace, "a", "b")

    run = cluster.workplace.start("run", suite, "--scheduler", cluster.address)
    until(lambda: all((cluster.workplace.path / f"{test}.began").exists() for test in "ab"), "both tests run")
    with Client(cluster.address, set_as_default=False) as client:
        assert 3 == client.submit(sum, [1, 2]).result(timeout=60)
        assert {1} == set(client.nthreads().values())
    cluster.workplace.write("go", "")

    assert 0 == run.wait(60)


@pytest.mark.slow
def test_a_worker_that_its_nanny_starts_again_is_a_new_node(cluster: DaskCluster) -> None:
    nanny = psutil.Process(cluster.start_worker("--name", "lab1", *PRELOAD, nanny=True).pid)
    before = cluster.wait_for(1)[0]
    suite = write_waiting_suite(cluster.workplace, "a")

    run = cluster.workplace.start("run", suite, "--scheduler", cluster.address, "--run-id", "r")
    began = cluster.workplace.path / "a.began"
    until(began.exists, "the test runs")
    psutil.Process(before["pid"]).kill()
    until(lambda: len(began.read_text().split()) == 2, "the test runs again")
    first, _second = map(int, began.read_text().split())
    until(lambda: not psutil.pid_exists(first), "the first body is gone", OUTLIVED_SECONDS)
    cluster.workplace.write("go", "")

    assert 0 == run.wait(60)
    after = cluster.labels()[0]
    assert before["incarnation"] != after["incarnation"]
    assert nanny.is_running()
    assert [("a", 1, "lab1", "node_lost"), ("a", 2, "lab1", None)] == attempts(cluster.workplace, "r")


@pytest.mark.slow
def test_a_second_node_of_an_id_is_told_and_leaves_the_first_its_tests(cluster: DaskCluster) -> None:
    cluster.start_worker(*PRELOAD, "--id", "lab1")
    cluster.wait_for(1)
    suite = write_waiting_suite(cluster.workplace, "a")

    run = cluster.workplace.start("run", suite, "--scheduler", cluster.address, "--run-id", "r")
    until((cluster.workplace.path / "a.began").exists, "the test runs")
    cluster.start_worker(*PRELOAD, "--id", "lab1")
    refused = next(told["trouble"] for told in cluster.wait_for(2) if "trouble" in told)
    cluster.workplace.write("go", "")
    _, err = run.communicate(timeout=60)

    assert 0 == run.returncode, err
    assert refused.startswith("there is a node 'lab1' already, on ")
    assert f"cannot take part: {refused}" in err
    assert [("a", 1, "lab1", None)] == attempts(cluster.workplace, "r")


@pytest.mark.slow
@pytest.mark.parametrize("nanny", [True, False])
def test_a_worker_that_is_told_to_end_takes_its_tests_along_as_lost(cluster: DaskCluster, nanny: bool) -> None:
    leaving = cluster.start_worker("--name", "lab1", *PRELOAD, nanny=nanny)
    cluster.wait_for(1)
    suite = write_waiting_suite(cluster.workplace, "a")

    run = cluster.workplace.start("run", suite, "--scheduler", cluster.address, "--run-id", "r")
    until((cluster.workplace.path / "a.began").exists, "the test runs")
    cluster.start_worker("--name", "lab2", *PRELOAD)
    cluster.wait_for(2)
    leaving.terminate()
    assert 0 == leaving.wait(60)
    cluster.workplace.write("go", "")

    assert 0 == run.wait(60)
    assert [("a", 1, "lab1", "node_lost"), ("a", 2, "lab2", None)] == attempts(cluster.workplace, "r")


@pytest.mark.slow
def test_a_worker_that_is_retired_stays_until_its_tests_are_done_and_gets_no_more(cluster: DaskCluster) -> None:
    cluster.start_worker("--name", "lab1", *PRELOAD, nanny=True)
    cluster.wait_for(1)
    run = cluster.workplace.start(
        "run", write_waiting_suite(cluster.workplace, "a", "b"), "--scheduler", cluster.address, "--run-id", "r"
    )
    until((cluster.workplace.path / "a.began").exists, "the first test runs")
    with Client(cluster.address, set_as_default=False) as client:
        [leaving] = client.scheduler_info(n_workers=-1)["workers"]
        cluster.start_worker("--name", "lab2", *PRELOAD)
        with ThreadPoolExecutor(1) as thread:
            retiring = thread.submit(client.retire_workers, [leaving])
            until((cluster.workplace.path / "b.began").exists, "the other one runs elsewhere")
            until(lambda: client.get_metadata([MARKS_KEY], {}).get("lab1"), "it is known to leave")
            assert not retiring.done()
            cluster.workplace.write("go", "")
            assert [leaving] == list(retiring.result(60))

    assert 0 == run.wait(60)
    assert [("a", 1, "lab1", None), ("b", 1, "lab2", None)] == attempts(cluster.workplace, "r")
    assert ["lab2"] == [told["id"] for told in cluster.labels()]


def test_what_a_killed_driver_leaves_ends(cluster: DaskCluster) -> None:
    cluster.start_worker("--name", "lab1", *PRELOAD)
    cluster.wait_for(1)

    run = cluster.workplace.start("run", write_waiting_suite(cluster.workplace, "a"), "--scheduler", cluster.address)
    began = cluster.workplace.path / "a.began"
    until(began.exists, "the test runs")
    os.killpg(run.pid, signal.SIGKILL)

    body = int(began.read_text())
    until(lambda: not psutil.pid_exists(body), "its body is gone", OUTLIVED_SECONDS)
    assert ["lab1"] == [told["id"] for told in cluster.labels()]


@pytest.mark.slow
def test_what_a_killed_worker_leaves_goes_when_the_next_one_comes(cluster: DaskCluster) -> None:
    killed = cluster.start_worker("--name", "lab1", *PRELOAD)
    cluster.wait_for(1)
    left = left_by_nodes(cluster.workplace)
    killed.kill()
    killed.wait()

    cluster.start_worker("--name", "lab2", *PRELOAD)
    until(lambda: ["lab2"] == [told["id"] for told in cluster.labels()], "the next one is there")

    assert 1 == len(left)
    assert left[0] not in left_by_nodes(cluster.workplace)


LOCAL_CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    options = {"preload": ["pulseq.node.preload"], "preload_argv": ["--label", "browser=chrome"]}
    options |= {"host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.mark.slow
def test_workers_of_a_cluster_class_are_nodes(workplace: Workplace) -> None:
    """Dask's own, which takes the preload as all of them do."""
    script = workplace.write("cluster.py", LOCAL_CLUSTER)
    tests = "\n".join(f"  - {{id: t{number}, simulate: {{duration: 0.5}}}}" for number in range(6))
    head = "suite: s\ndefaults: {requirements: {browser: chrome}}\ntests:\n"
    suite = workplace.write("project/suite.yaml", f"{head}{tests}\n")
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=workplace.path,
        env=workplace.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as cluster:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        done = workplace.run("run", suite, "--scheduler", address, "--run-id", "r", "--output", "json")
        cluster.communicate("", timeout=60)

    assert 0 == done.code, done.err
    assert {"0", "1"} == {node_id for _, _, node_id, _ in attempts(workplace, "r")}
    until(lambda: not left_by_nodes(workplace), "nodes have left nothing")


#: A Slurm of one machine: jobs start at once, each in a session of its own, and are ended by SIGTERM.
SBATCH = """#!/bin/sh
cp "$1" "$0.job"
setsid bash "$0.job" >"$0.log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job; do kill -TERM -- "-$job"; done
"""


def test_jobs_of_slurm_are_nodes(workplace: Workplace) -> None:
    """`deployments/slurm/cluster.py` with the real dask-jobqueue; what takes its jobs is a stand-in of two scripts."""
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed here (pip install dask-jobqueue)")
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        workplace.write(f"bin/{name}", text).chmod(0o755)
    workplace.environment["PATH"] = f"{workplace.path / 'bin'}{os.pathsep}{workplace.environment['PATH']}"
    credentials = workplace.path / "login.pem"
    assert 0 == workplace.run("certs", "init").code
    assert 0 == workplace.run("certs", "node", "login", "--file", credentials).code
    script = Path(__file__).parents[2] / "deployments" / "slurm" / "cluster.py"
    arguments = ["--credentials", str(credentials), "--host", "127.0.0.1", "--label", "browser=chrome", "--slots", "2"]
    with subprocess.Popen(
        [sys.executable, str(script), *arguments],
        cwd=workplace.path,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as cluster:
        try:
            assert cluster.stdout is not None
            words = cluster.stdout.readline().split()
            address = words[words.index("--scheduler") + 1]
            log = workplace.path / "bin" / "sbatch.log"
            until(lambda: log.exists() and "Registered to" in log.read_text(), "the job is there")
            suite = workplace.write(
                "project/suite.yaml",
                "suite: s\ntests:\n  - {id: a, command: 'true', requirements: {browser: chrome}}\n",
            )
            done = workplace.run(
                "run", suite, "--scheduler", address, "--credentials", credentials, "--run-id", "r", "--output", "json"
            )
            assert 0 == done.code, done.err
            assert [("a", 1, "SLURMCluster-0", None)] == attempts(workplace, "r")
        finally:
            cluster.terminate()
            cluster.wait(60)
    # A worker that loses its scheduler while its nanny ends it is killed by that after eight seconds.
    until(lambda: not workplace.processes(), "the job has ended")
    until(lambda: not left_by_nodes(workplace), "the job has left nothing")
