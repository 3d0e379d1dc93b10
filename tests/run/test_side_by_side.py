"""Steps that go on side by side."""

from __future__ import annotations

import asyncio

import pytest

from pulseq.run.side_by_side import end_all, first_of


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


async def _fail() -> None:
    raise LookupError("no")


async def _do_nothing() -> None:
    return


def test_the_first_to_end_is_waited_for_and_what_it_failed_with_is_raised() -> None:
    async def run() -> tuple[bool, bool]:
        never, done = asyncio.create_task(_never()), asyncio.create_task(_do_nothing())
        await first_of({never, done})
        state = never.done(), done.done()
        failing = asyncio.create_task(_fail())
        with pytest.raises(LookupError):
            await first_of({never, failing})
        await end_all({never})
        return state

    assert (False, True) == asyncio.run(run())


def test_what_only_may_fail_is_no_first_to_end() -> None:
    async def run() -> None:
        never, beside = asyncio.create_task(_never()), asyncio.create_task(_do_nothing())
        waiting = asyncio.create_task(first_of({never}, unless=beside))
        await beside
        await asyncio.sleep(0)
        assert not waiting.done()
        await end_all({waiting, never})
        failing = asyncio.create_task(_fail())
        with pytest.raises(LookupError):
            await first_of({asyncio.create_task(_never())}, unless=failing)
        await end_all(asyncio.all_tasks() - {asyncio.current_task()})  # type: ignore[arg-type]

    asyncio.run(run())


def test_all_have_ended_whatever_they_end_with() -> None:
    async def run() -> list[bool]:
        tasks = [asyncio.create_task(one) for one in (_never(), _fail(), _do_nothing())]
        await end_all(set(tasks))
        return [task.done() for task in tasks]

    assert [True, True, True] == asyncio.run(run())
