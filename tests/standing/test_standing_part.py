from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from pulseq.cluster.standing_cluster import Condition
from pulseq.errors import InfrastructureError
from pulseq.processes.process_id import ProcessId
from pulseq.standing import standing_part
from pulseq.standing.standing_part import MAX_DEATHS, WINDOW_SECONDS, RestartBackoff, StandingPart


class Mortal:
    """A process that ends when the test says so; its number is the test's own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.stopped = False

    async def wait(self) -> int:
        return await asyncio.shield(self.code)

    async def stop(self) -> None:
        self.stopped = True
        if not self.code.done():
            self.code.set_result(0)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_part, "FIRST_PAUSE_SECONDS", 0.0)


def starting(mortals: list[Mortal]) -> Callable[[], Awaitable[Mortal]]:
    async def start() -> Mortal:
        mortals.append(Mortal())
        return mortals[-1]

    return start


def test_pauses_grow_until_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_part, "FIRST_PAUSE_SECONDS", 0.25)
    backoff = RestartBackoff()

    assert [0.25, 0.5, 1.0, 2.0, None] == [backoff.pause_after_death(now) for now in range(MAX_DEATHS)]


def test_deaths_that_are_far_apart_are_forgiven() -> None:
    backoff = RestartBackoff()

    pauses = [backoff.pause_after_death(number * WINDOW_SECONDS * 2) for number in range(20)]

    assert {backoff.pause_after_death(1e6)} == set(pauses)


def test_a_part_that_dies_is_started_again() -> None:
    async def story() -> tuple[StandingPart, list[Mortal], list[Condition]]:
        mortals: list[Mortal] = []
        conditions: list[Condition] = []
        up_again = asyncio.Event()

        def note() -> None:
            conditions.append(part.state.condition)
            if part.state.condition is Condition.RUNNING:
                up_again.set()

        part = StandingPart("node1", starting(mortals), note)
        await part.start()
        keeping = asyncio.create_task(part.keep())
        mortals[0].code.set_result(-9)
        up_again.clear()
        await up_again.wait()
        keeping.cancel()
        return part, mortals, conditions

    part, mortals, conditions = asyncio.run(story())

    assert [Condition.RUNNING, Condition.RESTARTING, Condition.RUNNING] == conditions
    assert (1, "its process ended with -9") == (part.state.deaths, part.state.why)
    assert ProcessId.of(os.getpid()) == part.state.process
    assert [True, False] == [mortal.stopped for mortal in mortals]  # what ended gave its pipes back


def test_a_part_that_keeps_dying_is_given_up_with_its_last_reason() -> None:
    async def story() -> StandingPart:
        async def start() -> Mortal:
            if len(starts) > 1:
                raise InfrastructureError("no port is left")
            starts.append(Mortal())
            starts[-1].code.set_result(1)
            return starts[-1]

        starts: list[Mortal] = []
        part = StandingPart("node1", start, lambda: None)
        await part.start()
        await part.keep()
        return part

    part = asyncio.run(story())

    assert Condition.GIVEN_UP is part.state.condition
    assert (MAX_DEATHS, "no port is left") == (part.state.deaths, part.state.why)


def test_deaths_that_are_another_parts_fault_do_not_count() -> None:
    async def story() -> list[Mortal]:
        mortals: list[Mortal] = []
        part = StandingPart("node1", starting(mortals), lambda: None)
        part.is_excused = lambda: True
        await part.start()
        keeping = asyncio.create_task(part.keep())
        while len(mortals) < MAX_DEATHS * 2:
            if not mortals[-1].code.done():
                mortals[-1].code.set_result(0)
            await asyncio.sleep(0)
        keeping.cancel()
        return mortals

    assert len(asyncio.run(story())) == MAX_DEATHS * 2


def test_a_death_ends_what_depends_on_it_before_the_next_start() -> None:
    async def story() -> list[str]:
        told: list[str] = []

        async def start() -> Mortal:
            told.append("start")
            mortal = Mortal()
            mortal.code.set_result(0)
            return mortal

        async def mourn() -> None:
            told.append("mourn")

        part = StandingPart("scheduler", start, lambda: None)
        part.on_death = mourn
        await part.start()
        await part.keep()
        return told

    assert ["start", "mourn"] * MAX_DEATHS == asyncio.run(story())


def test_stopping_ends_the_process() -> None:
    async def story() -> Mortal:
        mortals: list[Mortal] = []
        part = StandingPart("server", starting(mortals), lambda: None)
        await part.stop()  # nothing has been started yet
        await part.start()
        await part.stop()
        return mortals[0]

    assert asyncio.run(story()).stopped
