"""What drives the tests of a run on its nodes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pulseq.fleet import FrameworkConfig
from pulseq.models import Suite
from pulseq.run.callers_variables import CallersVariables
from pulseq.run.driver import Driver
from pulseq.run.event_log import EventLog
from pulseq.run.run_options import RunOptions
from pulseq.run.stopping import Stopper


def test_nodes_forget_the_run_once_nothing_more_is_sent_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def note(owner: object, name: str) -> None:
        async def call(*_: object) -> None:
            told.append(name)

        monkeypatch.setattr(owner, name, call)

    async def run() -> None:
        options = RunOptions(home=tmp_path)
        options.run_directory.mkdir(parents=True)
        log = EventLog(options.journal_path, [], lambda error: None)
        driver = Driver(Suite("s", ()), FrameworkConfig(), options, log, Stopper(lambda why: None), CallersVariables())
        note(driver.shipping, "end")
        note(driver.runner, "finish_sessions")
        note(driver.runner, "leave_run")
        driver.dispatcher.stop_admitting()
        driver.accepting = asyncio.create_task(asyncio.sleep(0))
        await driver.test(server_follows=False)

    asyncio.run(run())
    assert ["end", "finish_sessions", "leave_run"] == told
