"""Real runs: the command line in processes of its own, a real Prefect server, real nodes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulseq.orchestration.api_server import EmbeddedServer
from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import Workplace, until

#: A project of its own, which tests run.
collect_ignore = ["fleet_project"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = f"{Path(__file__).parent}/"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server for all tests that do not need one of their own."""
    directory = tmp_path_factory.mktemp("prefect")
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory.parent / "cache"))
        server = runner.run(EmbeddedServer.start(state_directory=directory, run_directory=directory))
        try:
            runner.run(server.ready())
            yield server.api_url
        finally:
            runner.run(server.stop())


@contextlib.contextmanager
def open_workplace(path: Path) -> Iterator[Workplace]:
    """A workplace in this directory; what was started there and lives on at the end is killed, and told."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PULSEQ_", "DASK_"))
    }
    environment |= {"PULSEQ_HOME": str(path / "home"), "HOME": str(path / "user"), "CI": "1"}
    environment["TMPDIR"] = str(path / "t")
    # One for all workplaces: it spares their servers what makes a new database.
    environment["XDG_CACHE_HOME"] = str(path.parent / "cache")
    (path / "user").mkdir(parents=True)
    (path / "t").mkdir()
    workplace = Workplace(path, environment)
    yield workplace
    for process in workplace.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        with process:  # closes its pipes
            pass
    try:
        until(lambda: not workplace.processes(), "no process of the workplace is left", OUTLIVED_SECONDS)
    except AssertionError:
        left = workplace.processes()
        described = [" ".join(process.cmdline()) for process in left]
        for process in left:
            process.kill()
        raise AssertionError(f"left in the workplace, and killed now: {described}") from None


@pytest.fixture
def bare_workplace(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace without a Prefect API: runs start a server of their own."""
    with open_workplace(tmp_path) as workplace:
        yield workplace


@pytest.fixture
def workplace(bare_workplace: Workplace, prefect_api: str) -> Workplace:
    """A workplace whose runs use the shared Prefect server."""
    bare_workplace.environment["PREFECT_API_URL"] = prefect_api
    return bare_workplace
