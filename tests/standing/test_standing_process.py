from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from pulseq.cluster.standing_cluster import Condition, find_cluster
from pulseq.fleet import Fleet, NodeSpec
from pulseq.processes.process_id import ProcessId
from pulseq.standing import standing_process
from pulseq.standing.standing_process import StandingKeeper

API = "http://127.0.0.1:4200/api"
FLEET = Fleet((NodeSpec("node1"), NodeSpec("node2")))
STARTING, RUNNING, RESTARTING = Condition.STARTING, Condition.RUNNING, Condition.RESTARTING
GIVEN_UP = Condition.GIVEN_UP


def condition_of(home: Path, conditions: Iterable[Condition], *, started: bool, fleet: Fleet = FLEET) -> Condition:
    async def look() -> Condition:
        keeper = StandingKeeper(home, fleet, API)
        keeper._started = started
        for part, condition in zip(keeper.parts, conditions, strict=True):
            part.state = replace(part.state, condition=condition)
        return keeper.describe().condition

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("scheduler", "node1", "node2", "all_of_it"),
    [
        (RUNNING, RUNNING, RUNNING, RUNNING),
        (RUNNING, RUNNING, RESTARTING, RESTARTING),
        (RESTARTING, RUNNING, RUNNING, RESTARTING),
        (GIVEN_UP, RUNNING, RUNNING, GIVEN_UP),
        (RUNNING, RUNNING, GIVEN_UP, RUNNING),  # what is left is of use
        (RUNNING, RESTARTING, GIVEN_UP, RESTARTING),
        (RUNNING, GIVEN_UP, GIVEN_UP, GIVEN_UP),
    ],
)
def test_all_of_it_does_as_its_parts_do(
    tmp_path: Path, scheduler: Condition, node1: Condition, node2: Condition, all_of_it: Condition
) -> None:
    assert all_of_it is condition_of(tmp_path, (scheduler, node1, node2), started=True)


@pytest.mark.parametrize(
    ("lab1", "node1", "all_of_it"),
    [
        (RESTARTING, RUNNING, RUNNING),
        (RESTARTING, RESTARTING, RESTARTING),
        (RUNNING, RESTARTING, RESTARTING),
        (RESTARTING, GIVEN_UP, RESTARTING),
    ],
)
def test_a_host_that_is_out_of_reach_keeps_nobody_from_the_others(
    tmp_path: Path, lab1: Condition, node1: Condition, all_of_it: Condition
) -> None:
    fleet = Fleet((NodeSpec("lab1", "lab1.example"), NodeSpec("node1")))

    assert all_of_it is condition_of(tmp_path, (RUNNING, lab1, node1), started=True, fleet=fleet)


def test_what_has_not_been_ready_yet_is_starting(tmp_path: Path) -> None:
    assert STARTING is condition_of(tmp_path, (RUNNING, RUNNING, STARTING), started=False)


def test_a_configured_api_is_told_and_no_server_is_a_part(tmp_path: Path) -> None:
    async def look() -> StandingKeeper:
        return StandingKeeper(tmp_path, FLEET, API)

    told = asyncio.run(look()).describe()

    assert (API, None, ["scheduler", "node1", "node2"]) == (told.api_url, told.ui_url, [p.name for p in told.parts])
    assert ProcessId.of(os.getpid()) == told.keeper


def test_a_disk_that_is_full_is_logged_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space left")

    async def note() -> None:
        StandingKeeper(tmp_path, FLEET, API)._note()

    monkeypatch.setattr(standing_process, "write_cluster", refuse)

    asyncio.run(note())

    assert "standing.json cannot be written: no space left" in caplog.text


def test_a_state_directory_that_is_removed_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_process, "HOME_POLL_SECONDS", 0.01)
    home = tmp_path / "home"
    home.mkdir()

    async def keep() -> bool:
        keeper = StandingKeeper(home, Fleet(()), None)
        keeper._scheduler.keep = asyncio.Event().wait  # type: ignore[method-assign,assignment]
        assert keeper._server is not None
        keeper._server.keep = asyncio.Event().wait  # type: ignore[method-assign,assignment]
        keeper._note()
        keeping = asyncio.create_task(keeper.keep())
        await asyncio.sleep(0)
        before = keeper.ended.is_set()
        shutil.rmtree(home)
        await asyncio.wait_for(keeping, 60)
        await keeper.stop()
        return before

    assert asyncio.run(keep()) is False


def test_without_one_a_server_is_a_part_and_its_address_is_known_before_it_runs(tmp_path: Path) -> None:
    async def look() -> StandingKeeper:
        keeper = StandingKeeper(tmp_path, FLEET, None)
        (tmp_path / "standing").mkdir()
        await keeper.stop()
        return keeper

    told = asyncio.run(look()).describe()

    assert "server" == told.parts[0].name
    assert f"{told.ui_url}/api" == told.api_url
    assert told == find_cluster(tmp_path)
    assert Condition.ENDING is told.condition
