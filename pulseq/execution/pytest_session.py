"""A pytest session on a node: collected once by a zygote, run by forks of it, one a slot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from pulseq.execution.executor import find_python
from pulseq.execution.pytest_lines import (
    AskNext,
    KeeperLine,
    OnLate,
    OnLeft,
    OrderBatch,
    file_of,
    nothing_left,
    nothing_next,
)
from pulseq.execution.pytest_request import collect_request, item_limits, session_name, wanted_files
from pulseq.execution.pytest_results import collection_of, session_result, unmeasured_result
from pulseq.execution.runtime import wire
from pulseq.execution.runtime.blotting import Blotter
from pulseq.execution.runtime.pytest_rewrite_store import make_private
from pulseq.execution.shared_zygote import ZygoteLine
from pulseq.models import PRIVATE_PREFIXES, AttemptResult, Reason
from pulseq.processes.message_line import LineClosedError
from pulseq.pytest_sessions import Collection, PytestOrder, PytestSpec, SessionResult

#: How long a session's controller may take over its end: reports, coverage, services that are stopped.
CONTROLLER_SECONDS = 600.0
#: How long a runner may take to tear down what it holds: browsers, databases, containers.
TEARDOWN_SECONDS = 300.0


def _ignore_late(result: AttemptResult, left: str | None) -> None:
    if left is not None:
        nothing_left(result, left)


class PytestSession:
    """Collects what a spec selects, and runs items of it on demand, `slots` batches at a time.

    Args:
        spec: what to collect, where and under which interpreter.
        node_id: what results and bodies call this node.
        temp_root: directory for the private temporary directories of the runners.
        slots: how many batches run at the same time.
        default_python: the interpreter of a spec that names none, written as a test would.
        on_late: called with a result that replaces one that was delivered: the teardown of a fixture that is wider
            than one item failed after its last test, or left artifacts, whose directory is the caller's from then on.
        first_worker: the number of the first runner's worker id (gw0, gw1, ...); nodes that share a
            machine want different ones, since suites name databases and ports after them.
        shared: a directory, in one that exists, where nodes of this machine share what they collect; None
            for one of its own.
        machine_slots: the slots of all nodes that share it; those of this node when None.
        environment: what bodies get their variables from, without ours; the process's own when None.
        variables: what they get besides, before what the spec says.
        blotter: blots out what is not to be seen of anything that the session says; its values make no name.
    """

    def __init__(
        self,
        spec: PytestSpec,
        *,
        node_id: str,
        temp_root: Path,
        slots: int,
        default_python: str = sys.executable,
        on_late: OnLate = _ignore_late,
        first_worker: int = 0,
        shared: Path | None = None,
        machine_slots: int | None = None,
        environment: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        blotter: Blotter | None = None,
    ) -> None:
        self._spec = spec
        self._node_id = node_id
        self._temp_root = temp_root
        self._slots = slots
        self._python = find_python(spec.python or default_python, spec.cwd)
        self._on_late = on_late
        self._first_worker = first_worker
        self._shared = shared
        self._machine_slots = machine_slots or slots
        self._base_environment = os.environ if environment is None else environment
        self._variables = variables or {}
        self._blotter = blotter
        self._temp: str | None = None
        self._zygote: ZygoteLine | None = None
        self._collection: Collection | None = None
        self._known: frozenset[str] = frozenset()
        self._by_interpreters = False
        self._collecting = asyncio.Lock()
        self._free_slots = asyncio.Semaphore(slots)
        self._idle: list[KeeperLine] = []
        self._busy: dict[KeeperLine, OrderBatch] = {}
        self._workers: set[int] = set()
        self._closed = False

    async def collect(self) -> Collection:
        """What there is to run; collected at the first call, and again where the zygote has died."""
        async with self._collecting:
            if self._collection is None or (self._zygote is not None and self._zygote.dead):
                await self._drop_zygote()
                self._collection = await self._collect()
                self._known = frozenset(item.nodeid for item in self._collection.items)
            return self._collection

    async def run_items(
        self,
        orders: Sequence[PytestOrder],
        *,
        on_start: Callable[[PytestOrder], None],
        on_result: Callable[[AttemptResult], None],
        on_left: OnLeft = nothing_left,
        fresh: bool = False,
        ask_next: AskNext = nothing_next,
    ) -> tuple[PytestOrder, ...]:
        """Run items one after the other on one runner, waiting for a slot where none is free.

        Callbacks are called in the event loop as things happen. Cancelling the call ends that
        runner alone; the item that ran gets a result `error`/`cancelled`.

        Args:
            fresh: run them in a new fork and end it after them, wider fixtures included. Where slots are
                interpreters of their own, one goes on: a new one would collect again.
            on_left: called, just before `on_result`, with a result and the directory with the artifacts of its item,
                which is the caller's from then on.
            ask_next: tells, when only the last of these has not begun, what its slot goes on with: the first order of
                a later call, so that pytest keeps up what the two share. Where it is not known, but some may come, the
                session's own fixtures stay, until `finish`.

        Returns:
            the orders that a `stop` kept from starting; all others had their result, or were given back.
        """
        left = tuple(orders)
        lost = False
        while left:
            collection = await self.collect()
            known = [order for order in left if order.nodeid in self._known]
            for order in left:
                if order.nodeid not in self._known:
                    on_start(order)
                    on_result(unmeasured_result(order, self._node_id, Reason.SETUP, _why_unknown(order, collection)))
            done: asyncio.Future[tuple[PytestOrder, ...]] = asyncio.get_running_loop().create_future()
            batch = OrderBatch(known, on_start, on_result, done, ask_next, on_left)
            alone = fresh and not self._by_interpreters
            try:
                left = await self._run_batch(batch, fresh=alone) if known else ()
            except LineClosedError:
                if lost or self._closed:
                    self._report(batch, known, "the pytest session of this node has ended")
                    break
                # Nothing has begun: they are the first of the next one, which has to be collected.
                lost, left = True, tuple(known)
            if batch.stopped:
                break
        return left

    async def _run_batch(self, batch: OrderBatch, *, fresh: bool) -> tuple[PytestOrder, ...]:
        """Run a batch on a keeper; what a stop, or the end of the keeper, kept from starting.

        Raises:
            LineClosedError: there can be no keeper, so none has started.
        """
        async with self._free_slots:
            keeper = await self._borrow(batch.orders, fresh=fresh)
            left = await self._run_on(keeper, batch, fresh=fresh)
        if len(left) == len(batch.orders) and not batch.stopped:
            # The first may have begun, and be what ends each keeper before that can say so.
            self._report(batch, left[:1], "the pytest session of this node ended when it was its turn")
            return left[1:]
        return left

    async def take_back(self, orders: AbstractSet[PytestOrder]) -> tuple[PytestOrder, ...]:
        """Take back orders that have not begun, so that another node can run them; those that were taken back.

        Args:
            orders: the last ones of a batch that runs; of a batch at least one order stays.
        """
        for keeper, batch in list(self._busy.items()):
            if any(order in orders for order in batch.orders):
                return await keeper.take_back(batch, orders)
        return ()

    async def stop(self, orders: AbstractSet[PytestOrder], reason: Reason) -> None:
        """End the runner of each batch that has any of these; what it runs gets `error` with this reason."""
        for keeper, batch in list(self._busy.items()):
            if any(order in orders for order in batch.orders):
                batch.stopped = True
                await keeper.stop(reason)

    async def finish(self, seconds: float = TEARDOWN_SECONDS) -> SessionResult | None:
        """End the session: runners tear down what they hold, then its controller has the last word.

        Args:
            seconds: how long each runner may take.

        Returns:
            what the session came to, from one of the nodes of a machine that share it; None from the others.
        """
        idle, self._idle = self._idle, []
        await asyncio.gather(*(self._retire(keeper, seconds) for keeper in idle))
        if self._zygote is None or self._zygote.dead:
            return None
        message = await self._zygote.finish(CONTROLLER_SECONDS)
        return None if message is None else session_result(message)

    async def close(self) -> None:
        """End everything at once and leave nothing behind."""
        self._closed = True
        for batch in self._busy.values():
            batch.stopped = True  # what has not started is not to begin on another keeper
        await asyncio.gather(*(keeper.close() for keeper in [*self._idle, *self._busy]))
        await self._drop_zygote()
        if self._temp is not None:
            await asyncio.to_thread(shutil.rmtree, self._temp, ignore_errors=True)
            self._temp = None

    async def _collect(self) -> Collection:
        spec = self._spec
        if not os.path.isdir(spec.cwd):
            return Collection((), usage_error=f"the directory {spec.cwd!r} does not exist on this node")
        if self._temp is None:
            self._temp_root.mkdir(parents=True, exist_ok=True)
            self._temp = tempfile.mkdtemp(prefix="pytest-", dir=self._temp_root)
        environment = self._environment()
        try:
            shared = self._meeting_place()
            request = collect_request(
                spec,
                slots=self._machine_slots,
                secrets=() if self._blotter is None else self._blotter.forms,
                rewritten=shared / "rewritten",
            )
            answer = None
            while answer is None:
                if self._closed:
                    return Collection((), usage_error="this node leaves the run")
                self._zygote = await self._join(shared, environment)
                answer = await self._zygote.collect(request)
                if answer is None:
                    await self._drop_zygote()
        except OSError as error:
            why = f"the interpreter {self._python!r} cannot be started on this node: {error.strerror}"
            return Collection((), usage_error=why)
        if answer["op"] == "interpreter":
            answer = {**await self._collect_by_interpreters(), "isolation_reason": answer["reason"]}
        if answer["op"] == "collected":
            isolation = "interpreter" if self._by_interpreters else "fork"
            return await asyncio.to_thread(collection_of, answer, isolation=isolation)
        await self._drop_zygote()
        return Collection((), usage_error=answer["error"])

    async def _collect_by_interpreters(self) -> wire.Message:
        """Have all slots of this node collect side by side; what the first is done with, or why none is."""
        self._by_interpreters = True
        try:
            self._idle = [await self._new_keeper() for _ in range(self._slots)]
        except LineClosedError:
            return {"op": "refused", "error": "the pytest session of this node has ended"}
        for keeper in self._idle:
            await keeper.warm()
        waiting = {asyncio.ensure_future(asyncio.shield(keeper.collected)) for keeper in self._idle}
        refused: wire.Message = {"op": "refused", "error": "no slot of this node could collect"}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                if one.result()["op"] == "collected":
                    for other in waiting:
                        other.cancel()
                    return one.result()
                refused = one.result()
        return refused

    async def _join(self, shared: Path, environment: Mapping[str, str]) -> ZygoteLine:
        name = session_name(self._spec, self._python, self._without_secrets(environment))
        start = (self._python, self._spec.cwd, environment, self._blotter)
        try:
            return await ZygoteLine.join(shared / name, *start)
        except BlockingIOError:
            # Whoever is at it there has stopped: no node waits for another one.
            return await ZygoteLine.join(self._own_place() / name, *start)

    def _without_secrets(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """What of an environment may go into a name, which others see: all nodes have the same secrets in a run."""
        if self._blotter is None:
            return environment
        return {name: self._blotter.blot(value) for name, value in environment.items()}

    def _meeting_place(self) -> Path:
        """A directory that is ours alone, where other nodes of this machine look, too, if that can be."""
        if self._shared is not None:
            with contextlib.suppress(OSError):
                make_private(str(self._shared))
                return self._shared
        return self._own_place()

    def _own_place(self) -> Path:
        assert self._temp is not None
        own = Path(self._temp, "shared")
        make_private(str(own))
        return own

    def _environment(self) -> dict[str, str]:
        base = self._base_environment.items()
        environment = {name: value for name, value in base if not name.startswith(PRIVATE_PREFIXES)}
        environment.update(self._variables)
        environment.update(self._spec.env)
        environment.update(PULSEQ_RUN_ID=self._spec.run_id, PULSEQ_NODE_ID=self._node_id)
        return environment

    async def _borrow(self, orders: Sequence[PytestOrder], *, fresh: bool) -> KeeperLine:
        """A keeper: the one that these were promised to, or else one whose fixtures may be those of their files.

        None whose session is over: fixtures of a session are set up once in a process. But an interpreter goes on, as
        for what is to be fresh.
        """
        self._idle = [keeper for keeper in self._idle if not keeper.dead]
        going_on = [keeper for keeper in self._idle if self._by_interpreters or not keeper.over]
        if going_on and not fresh:
            files = {file_of(order) for order in orders}
            keeper = min(going_on, key=lambda one: _distance(one, orders[0], files))
            self._idle.remove(keeper)
            return keeper
        if self._idle and not fresh:  # the new one has the number of one whose session is over
            await self._retire(self._idle.pop(0), TEARDOWN_SECONDS)
        return await self._new_keeper()

    async def _new_keeper(self) -> KeeperLine:
        if self._zygote is None or self._zygote.dead or self._temp is None:
            raise LineClosedError
        number = next(number for number in range(len(self._workers) + 1) if number not in self._workers)
        self._workers.add(number)
        try:
            worker = f"gw{self._first_worker + number}"
            keeper = await self._zygote.fork_keeper(
                worker, self._temp, self._node_id, item_limits(self._spec), wanted_files(self._spec)
            )
        except BaseException:
            self._workers.discard(number)
            raise
        keeper.number = number
        keeper.zygote = self._zygote
        keeper.listen(self._node_id, self._on_late)
        return keeper

    async def _run_on(self, keeper: KeeperLine, batch: OrderBatch, *, fresh: bool) -> tuple[PytestOrder, ...]:
        self._busy[keeper] = batch
        try:
            return await keeper.run(batch, final=fresh)
        finally:
            del self._busy[keeper]
            if fresh or keeper.dead or keeper.zygote is not self._zygote:
                await self._retire(keeper, TEARDOWN_SECONDS)
            else:
                self._idle.append(keeper)

    async def _retire(self, keeper: KeeperLine, seconds: float) -> None:
        try:
            if keeper.dead:
                await keeper.close()
            else:
                await keeper.finish(seconds)
        finally:
            self._workers.discard(keeper.number)

    def _report(self, batch: OrderBatch, orders: Sequence[PytestOrder], why: str) -> None:
        for order in orders:
            batch.on_start(order)
            batch.on_result(unmeasured_result(order, self._node_id, Reason.INTERNAL, why))

    async def _drop_zygote(self) -> None:
        """End the zygote, and the idle keepers that know its collection and no other."""
        zygote, self._zygote = self._zygote, None
        idle, self._idle = self._idle, []
        await asyncio.gather(*(self._retire(keeper, 0.0) for keeper in idle))
        if zygote is not None:
            await zygote.close()
            self._collection = None


def _distance(keeper: KeeperLine, first: PytestOrder, files: AbstractSet[str]) -> int:
    """How far a keeper is from what is to run: it waits for that, has its file's fixtures, waits for other things."""
    if keeper.promised is not None:
        return 0 if keeper.promised == first else 3
    return 1 if keeper.last_file in files else 2


def _why_unknown(order: PytestOrder, collection: Collection) -> str:
    if collection.usage_error is not None:
        return f"pytest could not collect on this node: {collection.usage_error}"
    return f"pytest collected no item {order.nodeid!r} on this node"
