"""A checkout that is deployed to a Prefect server of its own, and what a test asks of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from tests.system.workplace import PATIENCE_SECONDS, Finished, Workplace, finish, until


@dataclass
class Site:
    """A checkout that is deployed, its API, and the worker that serves it."""

    workplace: Workplace
    api: httpx.Client

    def start(self, *words: str, module: str = "prefect", output: Any = subprocess.PIPE) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *(["-m", module] if module else []), *words],
            cwd=self.workplace.path,
            env=self.workplace.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.workplace.started.append(process)
        return process

    def run(self, *words: str, module: str = "prefect") -> Finished:
        ended = finish(self.start(*words, module=module))
        assert ended.code == 0, ended.out
        return ended

    def ask(self, path: str, **question: Any) -> Any:
        # A server on SQLite that is busy asks to be asked again, as Prefect's own client does.
        answer: httpx.Response = until(
            lambda: self._unless_busy(self.api.post(path, json=question)), f"the server takes {path}"
        )
        return answer.raise_for_status().json()

    @staticmethod
    def _unless_busy(answer: httpx.Response) -> httpx.Response | None:
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    def deployment(self, name: str = "run-suite/smoke") -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/deployments/name/{name}").raise_for_status().json()
        return found

    def begin(self, suite: str, *, by: str = "smoke", **more: Any) -> str:
        """Start a run of a suite as the form does; its flow run."""
        deployment = self.deployment(f"run-suite/{by}")["id"]
        parameters = {"suite": suite, "options": {"where": {"local_nodes": 1}}}
        created = self.ask(f"/deployments/{deployment}/create_flow_run", parameters=parameters, **more)
        return str(created["id"])

    def state(self, flow_run: str) -> dict[str, Any]:
        state: dict[str, Any] = self.api.get(f"/flow_runs/{flow_run}").raise_for_status().json()["state"]
        return state

    def ending(self, flow_run: str) -> dict[str, Any]:
        ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        until(lambda: self.state(flow_run)["type"] in ended, f"flow run {flow_run} ends", PATIENCE_SECONDS * 2)
        return self.state(flow_run)

    def task_runs(self, flow_run: str) -> dict[str, dict[str, Any]]:
        """The state of each task run, by what its test is called."""
        found = self.ask("/task_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
        return {one["name"].partition(" @ ")[0]: one["state"] for one in found}

    def search(self, flow_run: str, words: str) -> list[str]:
        """What the search for task runs on the page of a flow run finds, by what their tests are called."""
        question = {"flow_runs": {"id": {"any_": [flow_run]}}, "task_runs": {"name": {"like_": words}}}
        return [one["name"].partition(" @ ")[0] for one in self.ask("/task_runs/filter", **question)]

    def bodies(self, word: str) -> list[int]:
        """Processes that run a test whose command ends with this word."""
        found = []
        for process in self.workplace.processes():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if len(command) == 2 and command[-1].endswith(word):
                    found.append(process.pid)
        return found

    def run_id(self, flow_run: str) -> str:
        rows = self.workplace.sql(f"select run_id from runs where flow_run_id = '{flow_run}'")
        return str(rows[0]["run_id"])


@contextlib.contextmanager
def running(site: Site, *words: str, module: str = "prefect") -> Iterator[subprocess.Popen[str]]:
    """A process that runs as long as it is needed; what it says goes to a file, since a pipe gets full."""
    with open(site.workplace.path / f"{words[0]}.log", "ab") as log:
        process = site.start(*words, module=module, output=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS / 16)
        except subprocess.TimeoutExpired:
            # A worker waits for the flow runs that it has begun, and a schedule may have begun one just now.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
