"""A server that loads before it is known what for: where one is begun, what becomes of it, that it leaves nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pulseq.errors import InfrastructureError
from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.early_server import end_loading, load_early, take_loading

RUN = ["run", "suite.yaml", "-n", "2"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory that a run has used, of somebody who has no Prefect elsewhere."""
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    directory = tmp_path / "state"
    (directory / "prefect").mkdir(parents=True)
    yield directory
    end_loading()


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


@pytest.mark.parametrize("arguments", [[], ["check", "run"], ["run", "--help"], ["run", "-h"], ["--version"]], ids=str)
def test_none_is_begun_for_what_is_no_run(home: Path, arguments: list[str]) -> None:
    load_early(arguments, home)

    assert take_loading() is None


@pytest.mark.parametrize("there", ["standing", "nobody/.prefect/profiles.toml"])
def test_none_is_begun_where_there_may_be_an_api(home: Path, there: str) -> None:
    place = home / there if there == "standing" else home.parent / there
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()

    load_early(RUN, home)

    assert take_loading() is None


def test_none_is_begun_where_an_api_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    load_early(RUN, home)

    assert take_loading() is None


def test_none_is_begun_in_a_new_state_directory_which_it_would_begin_to_fill(home: Path) -> None:
    load_early(RUN, home / "new")

    assert take_loading() is None
    assert not (home / "new").exists()


@pytest.mark.processes
def test_what_nobody_takes_is_ended_and_has_left_nothing(home: Path) -> None:
    before, there = _children(), list(home.rglob("*"))

    load_early([*RUN, "--", "--help"], home)
    begun = _children() - before
    end_loading()

    assert 1 == len(begun)
    assert before == _children()
    assert there == list(home.rglob("*"))
    assert take_loading() is None


@pytest.mark.processes
def test_what_loads_does_not_go_on_when_its_owner_has_gone(home: Path) -> None:
    load_early(RUN, home)
    loading = take_loading()
    assert loading is not None
    while psutil.Process(loading.pid).cpu_times().user < 0.3:  # it is at it
        pass
    loading.line.close()
    loading.listener.close()
    _, status, used = os.wait4(loading.pid, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    assert used.ru_utime < 1.0  # to load all of it takes more


@pytest.mark.processes
def test_what_cannot_be_loaded_is_told_in_the_log(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise RuntimeError('no server today')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def start() -> None:
        server = await EmbeddedServer.start(state_directory=home, run_directory=home / "run")
        try:
            await server.ready()
        finally:
            await server.stop()

    load_early(RUN, home)

    with pytest.raises(InfrastructureError, match="no server today"):
        asyncio.run(start())


@pytest.mark.system
def test_a_run_s_server_is_the_one_that_has_begun_to_load(home: Path) -> None:
    async def start() -> tuple[int, str]:
        server = await EmbeddedServer.start(state_directory=home, run_directory=home / "run", auth="pulseq:secret")
        try:
            await server.ready()
            log = os.readlink(f"/proc/{server.pid}/fd/2")
            return server.pid, log
        finally:
            await server.stop()

    before = _children()
    load_early(RUN, home)
    begun = _children() - before
    pid, log = asyncio.run(start())

    assert {pid} == begun
    assert str(home / "run" / "logs" / "prefect-server.log") == log
    assert (home / "prefect" / "prefect.db").exists()
