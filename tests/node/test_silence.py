"""A node notices that it has not heard of its scheduler for too long, once."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from pulseq.node import silence as subject
from pulseq.node.silence import Silence, uptime_seconds


def ticking(*moments: float) -> Callable[[], float]:
    """A clock that says these one after the other, and then the last one."""
    left: Iterator[float] = iter(moments)
    return lambda: next(left, moments[-1])


@pytest.fixture(autouse=True)
def looks_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "LOOK_SECONDS", 0)


def test_silence_that_lasts_too_long_is_told_once() -> None:
    told: list[str] = []
    silence = Silence(60, lambda: told.append("silent"), clock=ticking(0, 30, 59.9, 60))
    asyncio.run(silence.watch())
    assert told == ["silent"]


def test_a_sign_of_life_begins_it_anew() -> None:
    now = [0.0]
    silence = Silence(60, lambda: None, clock=lambda: now[0])
    now[0] = 50.0
    assert silence.seconds == 50.0
    silence.hear()
    now[0] = 100.0
    assert silence.seconds == 50.0


def test_time_that_a_machine_sleeps_is_silence() -> None:
    """No timer goes on then: the clock alone tells, at the first look after."""
    told: list[str] = []
    asyncio.run(Silence(60, lambda: told.append("silent"), clock=ticking(0, 0, 36_000)).watch())
    assert told == ["silent"]


def test_the_clock_does_not_go_back() -> None:
    assert uptime_seconds() <= uptime_seconds()


def followed(limit: float, ask: Callable[[], Awaitable[None]]) -> tuple[Silence, Any, list[float]]:
    now = [0.0]
    silence = Silence(limit, lambda: None, clock=lambda: now[0])
    worker = types.SimpleNamespace(latency=0.1, periodic_callbacks={"heartbeat": types.SimpleNamespace(callback=ask)})
    silence.follow(worker)
    return silence, worker, now


def test_an_answer_to_a_heartbeat_is_a_sign_of_life() -> None:
    async def answered() -> None:
        worker.latency = 0.2

    silence, worker, now = followed(60, answered)
    now[0] = 40.0
    asyncio.run(worker.periodic_callbacks["heartbeat"].callback())
    assert silence.seconds == 0.0


def test_a_heartbeat_that_fails_is_none() -> None:
    async def failed() -> None:
        """As Dask does: it logs the error."""

    silence, worker, now = followed(60, failed)
    now[0] = 40.0
    asyncio.run(worker.periodic_callbacks["heartbeat"].callback())
    assert silence.seconds == 40.0


def test_a_heartbeat_that_nobody_answers_is_given_up() -> None:
    ended: list[str] = []

    async def unanswered() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("given up")

    silence, worker, now = followed(0.03, unanswered)
    now[0] = 0.01
    asyncio.run(worker.periodic_callbacks["heartbeat"].callback())
    assert (silence.seconds, ended) == (0.01, ["given up"])
