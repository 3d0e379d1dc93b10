"""Debian's PostgreSQL, and a Prefect server on it, as long as a test needs them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.system.workplace import until

SERVER = Path(__file__).parents[2] / "deployments" / "server"
USER = "prefect"
#: PostgreSQL refuses to run as root; its Debian package brings this user.
_SYSTEM_USER = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None


def find_postgres() -> Path | None:
    """Where PostgreSQL's programs are: the newest that Debian has installed, or those on the path."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def read_environment() -> dict[str, str]:
    """The variables of the environment file that stands in deployments."""
    lines = (SERVER / "prefect-server.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@contextlib.contextmanager
def run_postgres(programs: Path) -> Iterator[str]:
    """A PostgreSQL with the settings of `deployments/server/postgresql.conf`; its address for Prefect."""
    # Not in a test's own directory, which only this user may enter.
    directory = Path(tempfile.mkdtemp(prefix="pulseq-test-pg-", dir="/tmp"))
    if _SYSTEM_USER:
        shutil.chown(directory, _SYSTEM_USER)
    data = directory / "data"
    port = _free_port()
    try:
        _call(programs / "initdb", "--auth=trust", f"--username={USER}", "--encoding=UTF8", "--pgdata", str(data))
        settings = (SERVER / "postgresql.conf").read_text()
        (data / "postgresql.auto.conf").write_text(settings)
        command = [programs / "postgres", "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""]
        server = subprocess.Popen(command, user=_SYSTEM_USER, cwd="/", stderr=subprocess.DEVNULL)
        try:
            until(lambda: _listens(port), "PostgreSQL listens")
            until(lambda: _make_database(programs, port), "there is a database")
            yield f"postgresql+asyncpg://{USER}@127.0.0.1:{port}/prefect"
        finally:
            server.send_signal(signal.SIGINT)  # at once, and in order
            server.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def run_prefect(database: str, directory: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """A whole Prefect server on a database; the address of its API."""
    port = _free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = kept | {
        "PREFECT_HOME": str(directory / "prefect-home"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        **variables,
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (directory / "prefect-server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            health = f"http://127.0.0.1:{port}/api/health"
            until(lambda: _answers(health) or server.poll() is not None, "the Prefect server answers")
            assert server.poll() is None, (directory / "prefect-server.log").read_text()
            yield f"http://127.0.0.1:{port}/api"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def _call(*command: str | Path) -> None:
    subprocess.run(command, user=_SYSTEM_USER, cwd="/", check=True, capture_output=True)


def _make_database(programs: Path, port: int) -> bool:
    command = [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", USER, "prefect"]
    return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
