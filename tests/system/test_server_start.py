"""A Prefect server that somebody has just started is waited for, and one that is gone is told of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pulseq.processes.loopback import bind_loopback
from pulseq.processes.process_id import ProcessId
from tests.system.workplace import Workplace, finish, until

SERVER = "pulseq.orchestration.server_process"


@pytest.mark.slow
def test_what_needs_an_api_waits_for_the_server_that_is_being_started(bare_workplace: Workplace) -> None:
    _choose_port(bare_workplace, PREFECT_SERVER_ANALYTICS_ENABLED="false")
    with open(bare_workplace.path / "server.log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start"],
            cwd=bare_workplace.path,
            env=bare_workplace.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        ended = bare_workplace.run("setup")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()

    assert 0 == ended.code, ended.err
    assert f"waiting for the Prefect server that is being started (process {server.pid})" in ended.err
    assert 5 == ended.err.count(": made")


def test_a_server_in_the_background_that_is_gone_is_told_of(bare_workplace: Workplace) -> None:
    _choose_port(bare_workplace, PREFECT_SERVER_ANALYTICS_ENABLED="false")
    started = subprocess.run(
        [sys.executable, "-m", "prefect", "server", "start", "--background"],
        cwd=bare_workplace.path,
        env=bare_workplace.environment,
        capture_output=True,
        check=True,
    )
    assert b"running in the background" in started.stdout
    pid = int((Path(bare_workplace.environment["HOME"]) / ".prefect" / "server.pid").read_text())
    waiting = bare_workplace.start("setup")
    os.kill(pid, signal.SIGKILL)
    until(lambda: ProcessId.of(pid) is None, "the server is gone")
    ended = finish(waiting)

    assert 10 == ended.code
    assert "The server that `prefect server start --background` had started is gone" in ended.err


def _choose_port(workplace: Workplace, **variables: str) -> None:
    with bind_loopback() as free:
        port = str(free.getsockname()[1])
    api = f"http://127.0.0.1:{port}/api"
    workplace.environment |= {"PREFECT_API_URL": api, "PREFECT_SERVER_API_PORT": port, **variables}


def test_a_server_of_the_runs_own_that_does_not_start_takes_no_verdict_along(bare_workplace: Workplace) -> None:
    bare_workplace.write("suite.yaml", "suite: s\ntests: [{id: good, command: 'true'}, {id: bad, command: 'false'}]\n")
    running = bare_workplace.start("run", "suite.yaml", "-n", "1", "--run-id", "r")

    def server() -> psutil.Process | None:
        found = [one for one in psutil.Process(running.pid).children() if SERVER in " ".join(one.cmdline())]
        return found[0] if found else None

    until(lambda: server() is not None, "the server is being started")
    process = server()
    assert process is not None
    process.kill()
    ended = finish(running)

    assert 1 == ended.code, ended.err
    assert "Prefect has not been told of this run: the Prefect server ended while it started" in ended.err
    closed = [line["data"]["status"] for line in bare_workplace.journal("r") if line["kind"] == "test_closed"]
    assert ["failed", "passed"] == sorted(closed)
