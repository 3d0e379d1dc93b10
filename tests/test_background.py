"""Tasks and timers that nobody awaits."""

from __future__ import annotations

import asyncio
import logging

import pytest

from pulseq.background import Background


async def die() -> None:
    raise LookupError("no more")


def test_one_that_dies_is_heard_of_with_what_it_was_for() -> None:
    deaths: list[tuple[str, str]] = []

    async def main() -> None:
        background = Background(lambda name, error: deaths.append((name, str(error))))
        background.start(die(), "looking at nodes")
        await background.settle()

    asyncio.run(main())

    assert [("looking at nodes", "no more")] == deaths


def test_where_nobody_listens_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        background = Background()
        background.start(die(), "looking at nodes")
        await background.settle()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())

    assert ["looking at nodes has ended with LookupError: no more"] == caplog.messages


def test_a_timer_that_dies_is_heard_of() -> None:
    deaths: list[tuple[str, str]] = []

    def _send_again() -> None:
        raise LookupError("no more")

    async def main() -> None:
        died = asyncio.Event()

        def note(name: str, error: BaseException) -> None:
            deaths.append((name, str(error)))
            died.set()

        background = Background(note)
        background.later(0, _send_again)
        await died.wait()

    asyncio.run(main())

    assert [("send again", "no more")] == deaths


def test_what_is_cancelled_has_not_died() -> None:
    deaths: list[str] = []

    async def main() -> list[bool]:
        background = Background(lambda name, _: deaths.append(name))
        rung: list[bool] = []
        background.later(0, rung.append, True)
        task = background.start(asyncio.Event().wait(), "waiting")
        await background.end()
        await asyncio.sleep(0)
        return [task.cancelled(), *rung]

    assert ([True], []) == (asyncio.run(main()), deaths)


def test_timers_that_rang_or_were_cancelled_are_not_kept() -> None:
    async def main() -> int:
        background = Background()
        for _ in range(200):  # of a few its loop makes no haste to let go
            background.later(600, print).cancel()
        background.later(600, print)
        rung = asyncio.Event()
        background.later(0, rung.set)
        await rung.wait()
        await asyncio.sleep(0)
        left = len(background._timers)
        await background.end()
        return left

    assert 1 == asyncio.run(main())
