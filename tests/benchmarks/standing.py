"""Server and nodes that are up before a measurement starts, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from pulseq.cluster.standing_cluster import find_cluster
from pulseq.orchestration.api_auth import CLIENTS_VARIABLE
from pulseq.standing.kept_auth import read_auth
from tests.benchmarks.bench import clean_environment, run_child, run_command
from tests.benchmarks.children.ports import free_port

_START_SECONDS = 120.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Standing:
    """Addresses of what is up, and the auth string of its server."""

    api_url: str
    scheduler: str
    auth: str | None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """What programs need to speak to its server."""
        return {"PREFECT_API_URL": self.api_url, **({CLIENTS_VARIABLE: self.auth} if self.auth else {})}


@contextlib.contextmanager
def pulseq_up(
    home: Path,
    *,
    nodes: int,
    slots: int,
    api_url: str | None = None,
    hosts: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """What `pulseq up` starts, with `nodes` nodes of `slots` slots each; yields the state directory that finds it.

    Each node has a number, from 1, as its capability `place`.

    Args:
        api_url: of a Prefect API that is there already; None has `pulseq up` start one.
        hosts: names that ssh knows; the nodes are on these in turn, or on this machine where there are none.
        variables: of the environment, by which ssh knows them.
    """
    home.mkdir(parents=True)
    places = list(islice(cycle(hosts or ["localhost"]), nodes))
    described = [
        {"id": f"node{number}", "host": host, "max_concurrent_tests": slots, "capabilities": {"place": number}}
        for number, host in enumerate(places, 1)
    ]
    # What is JSON is YAML.
    (home / "nodes.yaml").write_text(json.dumps({"nodes": described}))
    command = [sys.executable, "-m", "pulseq"]
    environment = {"PULSEQ_HOME": str(home), **(variables or {})} | ({"PREFECT_API_URL": api_url} if api_url else {})
    run_command([*command, "up", "--nodes", "nodes.yaml"], cwd=home, environment=environment)
    try:
        yield home
    finally:
        run_command([*command, "down"], cwd=home, environment=environment)


def standing_of(home: Path) -> Standing:
    """The addresses of what `pulseq up` has started for a state directory."""
    cluster = find_cluster(home)
    if cluster is None:
        raise RuntimeError(f"nothing is up in {home}")
    return Standing(cluster.api_url, cluster.scheduler, read_auth(home))


def run_made_up(
    home: Path, count: int, *, body: str = "simulate", shortest: float, longest: float, may_miss: bool = False
) -> dict[str, Any]:
    """What a run of made-up tests on what is up tells of itself: see `children/pulseq_run`.

    Args:
        shortest: seconds of a test, up to `longest`; a `call` takes none.
        may_miss: whether the server may lose task runs, which is told then.
    """
    standing = standing_of(home)
    configuration = {
        "count": count,
        "body": body,
        "shortest": shortest,
        "longest": longest,
        "home": str(home),
        "scheduler": standing.scheduler,
        "api_url": standing.api_url,
        "may_miss": may_miss,
    }
    told: dict[str, Any] = run_child(
        "pulseq_run", configuration, **standing.variables, PREFECT_LOGGING_LEVEL="CRITICAL"
    )
    return told


@contextlib.contextmanager
def stock_server(directory: Path) -> Iterator[str]:
    """A Prefect server as `prefect server start` starts it; yields its API's address."""
    port = free_port()
    with open(directory / "server.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            cwd=directory,
            env=clean_environment(PREFECT_HOME=str(directory / "prefect")),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}/api"
        _wait_for_health(url)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_health(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
