"""A line to another process, both of whose ends are here."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from pulseq.execution.runtime import wire
from pulseq.processes.message_line import LineClosedError, MessageLine, PacketLine

PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def line() -> Iterator[tuple[MessageLine, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield MessageLine(ours), theirs


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(work(), PATIENCE_SECONDS)

    asyncio.run(main())


def test_messages_arrive_as_they_were_sent() -> None:
    async def work() -> None:
        with line() as (here, there):
            await here.send({"op": "one"})
            here.send_at_once({"op": "two"})
            assert [wire.receive(there), wire.receive(there)] == [{"op": "one"}, {"op": "two"}]

    run(work)


def test_what_has_come_at_once_is_received_at_once() -> None:
    async def work() -> None:
        with line() as (here, there):
            there.sendall(wire.encode({"op": "one"}) + wire.encode({"op": "two"}) + wire.encode({"op": "three"})[:-1])
            assert await here.receive() == [{"op": "one"}, {"op": "two"}]

    run(work)


def test_a_message_is_whole_however_many_are_sent_side_by_side() -> None:
    long = "x" * 1_000_000

    async def work() -> None:
        with line() as (here, there):
            sending = [asyncio.create_task(here.send({"number": number, "text": long})) for number in range(3)]
            heard = [await asyncio.to_thread(wire.receive, there) for _ in sending]
            await asyncio.gather(*sending)
        assert heard == [{"number": number, "text": long} for number in range(3)]

    run(work)


def test_the_end_of_a_line_is_nothing_more_to_receive() -> None:
    async def work() -> None:
        with line() as (here, there):
            there.close()
            assert await here.receive() == []

    run(work)


def test_who_sends_to_nobody_is_told_why() -> None:
    async def work() -> None:
        with line() as (here, there):
            there.close()
            with pytest.raises(LineClosedError, match="Broken pipe"):
                await here.send({})

    run(work)


def test_a_short_message_does_not_wait_for_a_reader() -> None:
    async def work() -> None:
        with line() as (here, _), pytest.raises(BlockingIOError):
            here.send_at_once({"text": "x" * 10_000_000})

    run(work)


def test_who_hangs_up_still_hears() -> None:
    async def work() -> None:
        with line() as (here, there):
            here.hang_up()
            assert wire.receive(there) is None
            wire.send(there, {"op": "bye"})
            assert await here.receive() == [{"op": "bye"}]

    run(work)


def test_who_listens_hears_that_the_line_is_broken_off() -> None:
    async def work() -> None:
        with line() as (here, _):
            listening = asyncio.create_task(here.receive())
            await asyncio.sleep(0)
            here.break_off()
            assert await listening == []

    run(work)


def test_a_line_is_quiet_as_long_as_nothing_has_come() -> None:
    async def work() -> None:
        with line() as (here, there):
            quiet = [here.is_quiet()]
            wire.send(there, {})
            quiet.append(here.is_quiet())
            assert await here.receive() == [{}]
            there.close()
            assert [*quiet, here.is_quiet()] == [True, False, False]

    run(work)


@contextlib.contextmanager
def packets() -> Iterator[tuple[PacketLine, socket.socket]]:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield PacketLine(ours), theirs


def fill(here: PacketLine) -> int:
    """Send as much as there is room for; how much that is."""
    sent = 0
    while here.send_at_once({"number": sent}):
        sent += 1
    return sent


def test_packets_wait_for_room_and_keep_their_order() -> None:
    async def work() -> None:
        with packets() as (here, there):
            sent = fill(here)
            waiting = [asyncio.create_task(here.send({"number": sent + more})) for more in range(3)]
            await asyncio.sleep(0)
            heard = [await asyncio.to_thread(wire.receive_packet, there) for _ in range(sent + 3)]
            await asyncio.gather(*waiting)
        assert list(range(sent + 3)) == [message["number"] for message, _ in heard if message]

    run(work)


def test_who_waits_for_room_is_told_that_the_line_was_closed() -> None:
    async def work() -> None:
        with packets() as (here, _):
            fill(here)
            waiting = asyncio.create_task(here.send({}))
            await asyncio.sleep(0)
            here.close()
            with pytest.raises(OSError, match="Bad file descriptor"):
                await waiting
            assert not here.is_open

    run(work)


def test_one_that_leaves_gives_its_turn_to_the_next() -> None:
    async def work() -> None:
        with packets() as (here, there):
            sent = fill(here)
            leaving, staying = (asyncio.create_task(here.send({"who": who})) for who in ("leaves", "stays"))
            await asyncio.sleep(0)
            leaving.cancel()
            heard = [await asyncio.to_thread(wire.receive_packet, there) for _ in range(sent + 1)]
            await staying
            assert (heard[-1][0], leaving.cancelled()) == ({"who": "stays"}, True)

    run(work)


def test_packets_are_received_as_they_were_sent_until_the_end() -> None:
    async def work() -> None:
        with packets() as (here, there):
            wire.send(there, {"op": "one"})
            there.close()
            assert (await here.receive(), await here.receive()) == ({"op": "one"}, None)

    run(work)
