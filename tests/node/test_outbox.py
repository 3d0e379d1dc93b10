"""What travels together, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pulseq.node import outbox
from pulseq.node.outbox import Outbox


def _sent(put: Callable[[Outbox[int]], Awaitable[None]]) -> list[list[int]]:
    """What was sent by the time that `put` has ended."""
    sent: list[list[int]] = []

    async def run() -> None:
        await put(Outbox(sent.append))

    asyncio.run(run())
    return sent


async def _until(question: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not question():  # noqa: ASYNC110 - what changes has no event
            await asyncio.sleep(0.001)


def test_messages_of_a_moment_travel_together_and_in_order() -> None:
    async def put(box: Outbox[int]) -> None:
        for number in range(3):
            box.put(number)
        await _until(lambda: not box._messages)

    assert [[0, 1, 2]] == _sent(put)


def test_what_keeps_coming_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a bound it would wait for a quiet moment that never comes.
    monkeypatch.setattr(outbox, "QUIET_SECONDS", 1000.0)
    monkeypatch.setattr(outbox, "LONGEST_SECONDS", 0.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1)
        box.put(2)
        box._flush_when_due()

    assert [[1, 2]] == _sent(put)


def test_what_is_not_due_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LONGEST_SECONDS", 1000.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1)
        box._flush_when_due()
        assert box._messages
        await _until(lambda: not box._messages)

    assert [[1]] == _sent(put)


def test_a_flush_sends_at_once_and_only_what_there_is() -> None:
    async def put(box: Outbox[int]) -> None:
        box.flush()
        box.put(1)
        box.flush()
        box.flush()
        box.put(2)
        box.flush()

    assert [[1], [2]] == _sent(put)


def test_a_busy_message_waits_for_its_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BUSY_QUIET_SECONDS", 1000.0)
    monkeypatch.setattr(outbox, "LONGEST_BUSY_SECONDS", 1000.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1, busy=True)
        box._flush_when_due()
        assert box._messages
        # One that is not busy takes what waits along.
        box.put(2)
        await _until(lambda: not box._messages)

    assert [[1, 2]] == _sent(put)


def test_busy_messages_do_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BUSY_QUIET_SECONDS", 1000.0)
    monkeypatch.setattr(outbox, "LONGEST_BUSY_SECONDS", 1000.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1)
        box.put(2, busy=True)
        await _until(lambda: not box._messages)

    assert [[1, 2]] == _sent(put)
