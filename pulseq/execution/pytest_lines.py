"""The node's ends of the lines to the keepers of pytest runners."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pulseq.execution.pytest_results import attempt_results, late_result, unmeasured_result
from pulseq.execution.runtime import wire
from pulseq.execution.runtime.body_environment import remove_tree
from pulseq.models import AttemptResult, Reason
from pulseq.processes.message_line import LineClosedError, MessageLine
from pulseq.pytest_sessions import Following, PytestOrder

#: How long a process that was told to end may take; it answers at once unless the machine is choking.
END_SECONDS = 5.0


#: Tells what a slot goes on with after a batch.
AskNext = Callable[[], Awaitable[Following]]
#: The orders that were taken back.
GivenBack = asyncio.Future[tuple[PytestOrder, ...]]


#: Takes the directory with what an attempt left.
OnLeft = Callable[[AttemptResult, str], None]
#: Takes a result that was delivered before, and the directory with what has been left since.
OnLate = Callable[[AttemptResult, str | None], None]


def nothing_left(result: AttemptResult, place: str) -> None:
    """What is done with it where nobody wants it."""
    remove_tree(place)


async def nothing_next() -> Following:
    """The answer where a batch is followed by nothing."""
    return Following()


@dataclass(eq=False)
class OrderBatch:
    """Orders that a keeper works through, and whom to tell.

    Attributes:
        left: numbers of the orders that have no result yet, in order.
        done: set to the orders that were never started once the batch is over.
        stopped: whether somebody asked for its end.
    """

    orders: Sequence[PytestOrder]
    on_start: Callable[[PytestOrder], None]
    on_result: Callable[[AttemptResult], None]
    done: asyncio.Future[tuple[PytestOrder, ...]]
    ask_next: AskNext = nothing_next
    on_left: OnLeft = nothing_left
    left: dict[int, None] = field(default_factory=dict)
    running: int | None = None
    stopped: bool = False
    _asked_back: dict[int, GivenBack] = field(default_factory=dict)

    def message(self, *, final: bool) -> wire.Message:
        self.left = dict.fromkeys(range(len(self.orders)))
        items = [
            [number, order.nodeid, order.test_id, order.attempt, order.timeout_seconds]
            for number, order in enumerate(self.orders)
        ]
        return {"op": "run", "items": items, "final": final}

    def start(self, number: int) -> None:
        self.running = number
        self.on_start(self.orders[number])

    def result(self, number: int, result: AttemptResult) -> None:
        if self.running == number:
            self.running = None
        del self.left[number]
        self.on_result(result)
        if not self.left:
            self.end(())

    def ask_back(self, wanted: AbstractSet[PytestOrder]) -> tuple[wire.Message, GivenBack]:
        """The message that asks for the last orders, as many as are wanted of those without a result; its answer."""
        request = len(self._asked_back) + 1
        self._asked_back[request] = asyncio.get_running_loop().create_future()
        count = sum(self.orders[number] in wanted for number in self.left)
        return {"op": "give_back", "id": request, "count": count}, self._asked_back[request]

    def give_back(self, request: int, numbers: Sequence[int]) -> None:
        """These orders are not to be run here any more; nothing is heard of them."""
        for number in numbers:
            del self.left[number]
        answer = self._asked_back.get(request)
        if answer is not None and not answer.done():
            answer.set_result(tuple(self.orders[number] for number in numbers))
        if not self.left:
            self.end(())

    def end(self, never_started: Sequence[int]) -> None:
        for answer in self._asked_back.values():
            if not answer.done():
                answer.set_result(())
        if not self.done.done():
            self.done.set_result(tuple(self.orders[number] for number in never_started))


class KeeperLine:
    """A keeper, and through it the runner of one slot.

    Attributes:
        collected: what a runner that collects for itself had to say: `collected` or `refused`.
        over: whether its runner was told that nothing follows, and has torn its session down.
        promised: what its runner was told that it goes on with; None where that is nothing known.
    """

    def __init__(self, sock: socket.socket, worker: str) -> None:
        self.worker = worker
        self.number = 0
        self.zygote: object = None
        self.last_file = ""
        self.dead = False
        self.over = False
        self._line = MessageLine(sock)
        self._batch: OrderBatch | None = None
        self._last: AttemptResult | None = None
        self._listener: asyncio.Task[None] | None = None
        self.promised: PytestOrder | None = None
        self.collected: asyncio.Future[wire.Message] = asyncio.get_running_loop().create_future()
        self._asking: asyncio.Task[None] | None = None

    def listen(self, node_id: str, on_late: OnLate) -> None:
        """Begin to hear it, in a task of its own."""
        self._node_id = node_id
        self._on_late = on_late
        self._listener = asyncio.create_task(self._listen())

    async def run(self, batch: OrderBatch, *, final: bool) -> tuple[PytestOrder, ...]:
        """Work through a batch; the orders that a stop kept from starting."""
        self._batch = batch
        self.promised = None
        try:
            try:
                await self._line.send(batch.message(final=final))
            except LineClosedError:
                self._lose(batch)
            return await asyncio.shield(batch.done)
        except asyncio.CancelledError:
            await self.stop(Reason.CANCELLED)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(batch.done), END_SECONDS)
            raise
        finally:
            self._batch = None

    async def warm(self) -> None:
        """Let a runner start that has nothing to run yet."""
        with contextlib.suppress(LineClosedError):
            await self._line.send({"op": "warm"})

    async def _answer_next(self, batch: OrderBatch) -> None:
        following = Following()
        try:
            following = await batch.ask_next()
        except Exception as error:  # noqa: BLE001 as for callbacks
            if not batch.done.done():
                batch.done.set_exception(error)
        self.promised, self.over = following.order, following.order is None and not following.more
        name = None if self.promised is None else self.promised.nodeid
        with contextlib.suppress(LineClosedError):
            await self._line.send({"op": "next", "name": name, "more": following.more})

    async def take_back(self, batch: OrderBatch, wanted: AbstractSet[PytestOrder]) -> tuple[PytestOrder, ...]:
        """Take back those of these orders, the last ones of a batch, that have not begun; they are not run here."""
        message, answer = batch.ask_back(wanted)
        if batch is not self._batch or batch.done.done():
            return ()
        with contextlib.suppress(LineClosedError):
            await self._line.send(message)
        return await answer

    async def stop(self, reason: Reason) -> None:
        """End the runner alone; what it ran gets this reason."""
        with contextlib.suppress(LineClosedError):
            await self._line.send({"op": "stop", "reason": reason.value})

    async def finish(self, seconds: float) -> None:
        """Let the runner tear down what it holds, within so many seconds, and end."""
        with contextlib.suppress(LineClosedError):
            await self._line.send({"op": "finish", "seconds": seconds})
        assert self._listener is not None
        await asyncio.wait([self._listener], timeout=seconds + END_SECONDS)
        await self.close()

    async def close(self) -> None:
        """Hang up, which ends the keeper and all below it; back when they have gone."""
        self.dead = True
        self._line.hang_up()
        if self._listener is not None:
            # The keeper closes its end when its runner and what that has written are gone.
            await asyncio.wait([self._listener], timeout=END_SECONDS)
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._asking is not None:
            self._asking.cancel()
        if self._batch is not None:
            self._lose(self._batch)
        self._line.close()

    async def _listen(self) -> None:
        while messages := await self._line.receive():
            for message in messages:
                self._hear(message)
        self.dead = True
        if not self.collected.done():
            self.collected.set_result({"op": "refused", "error": "a slot of this node ended while it collected"})
        if self._batch is not None:
            self._lose(self._batch)

    def _hear(self, message: wire.Message) -> None:
        batch = self._batch
        try:
            if message["op"] == "late":
                if self._last is not None:
                    self._last = late_result(self._last, message)
                    self._on_late(self._last, message.get("left"))
            elif message["op"] in ("collected", "refused"):
                if not self.collected.done():
                    self.collected.set_result(message)
            elif batch is not None:
                self._advance(batch, message)
        except Exception as error:  # noqa: BLE001 the callbacks are the caller's: it hears of what they raise
            if batch is not None and not batch.done.done():
                batch.done.set_exception(error)

    def _advance(self, batch: OrderBatch, message: wire.Message) -> None:
        match message["op"]:
            case "start":
                self._start(batch, message["next"][0])
            case "next?":
                self._asking = asyncio.create_task(self._answer_next(batch))
            case "done":
                number = message["i"]
                *earlier, self._last = attempt_results(batch.orders[number], self._node_id, message)
                for result in earlier:
                    batch.on_result(result)
                if message.get("left"):
                    batch.on_left(self._last, message["left"])
                batch.result(number, self._last)
                if message.get("next"):
                    self._start(batch, message["next"][0])
            case "hopeless":
                order = batch.orders[message["i"]]
                why = "the forks that should run it ended before they started it"
                batch.result(message["i"], unmeasured_result(order, self._node_id, Reason.INTERNAL, why))
            case "given_back":
                batch.give_back(message["id"], message["items"])
            case "stopped":
                batch.end(message["left"])

    def _start(self, batch: OrderBatch, number: int) -> None:
        self.last_file = file_of(batch.orders[number])
        batch.start(number)

    def _lose(self, batch: OrderBatch) -> None:
        """The keeper has gone: the test that ran may be why, the others were never started."""
        if (number := batch.running) is not None:
            text = "the pytest session of this node ended while it ran"
            batch.result(number, unmeasured_result(batch.orders[number], self._node_id, Reason.CRASH, text))
        batch.end(list(batch.left))


def file_of(order: PytestOrder) -> str:
    """The file that an item is in."""
    return order.nodeid.partition("::")[0]
