"""Prefect's task runner for labelled nodes: the only place that gives Dask a task."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
from collections.abc import Callable, Iterable
from typing import Any

from distributed import Client
from prefect.context import FlowRunContext
from prefect_dask.task_runners import DaskTaskRunner

from pulseq.cluster import node_calls
from pulseq.orchestration.api_access import read_access
from pulseq.protocol.work import Dispatch

#: How often a call that has no answer yet looks whether its node is still a member.
MEMBER_POLL_SECONDS = 1.0


class NodeTaskRunner(DaskTaskRunner):
    """A `DaskTaskRunner` that sends work to exactly one node, and the flow's context only once.

    What the stock runner does at every submit, serialising settings and flow context (about 70 ms) and
    rebuilding them on the worker, happens here when a run meets a node. Prefect's own
    `task.submit` inside the same flow keeps working through the base class.
    """

    def bind(self, client: Client, is_member: Callable[[str], bool] = lambda _: True) -> None:
        """Use this asynchronous Dask client; call it before anything is sent.

        Args:
            is_member: whether a node with this address is still thought to be there.
        """
        self._is_member = is_member
        # That a scheduler is gone is told in our words, not as tracebacks of a client that tries again.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        # Nor that it closes connections, one line each, where there are hundreds of nodes.
        logging.getLogger("distributed.core").setLevel(logging.WARNING)
        self._node_client = client

    async def begin_run(self, run_id: str, addresses: list[str]) -> None:
        """Make nodes know a run, so that they can collect for it before its flow run exists."""
        await self._on_nodes(node_calls.begin_run, addresses, run_id)

    async def enter_run(self, run_id: str, addresses: list[str], context: dict[str, Any]) -> None:
        """Take the run's Prefect context to nodes that are about to get work of it."""
        await self._on_nodes(node_calls.enter_run, addresses, run_id, pickle.dumps(context))

    async def leave_run(self, run_id: str, addresses: list[str]) -> None:
        """Make nodes forget a run; what still runs there is ended."""
        await self._on_nodes(node_calls.leave_run, addresses, run_id)

    async def cancel_run(self, run_id: str, addresses: list[str]) -> None:
        """End the bodies of a run on these nodes; their attempts say `cancelled`."""
        await self._on_nodes(node_calls.cancel_run, addresses, run_id)

    async def finish_sessions(self, run_id: str, addresses: list[str]) -> None:
        """Tear down what idle pytest sessions of a run keep open."""
        await self._on_nodes(node_calls.finish_sessions, addresses, run_id)

    async def collect(self, run_id: str, address: str, spec: Any) -> Any:
        """Have one node collect a pytest session; a `Collection`.

        Raises:
            OSError: the node is gone.
        """
        answers = await self._on_nodes(node_calls.collect, [address], run_id, pickle.dumps(spec))
        answer = answers[address]
        if isinstance(answer, OSError):
            raise answer
        return pickle.loads(answer)

    def send(self, dispatch: Dispatch, address: str, *, priority: int, on_trouble: Callable[[str, str], None]) -> None:
        """Submit a dispatch to the node at `address`, and to no other.

        Results come as messages on the run's topic; the future tells only of what kept the dispatch
        from running at all: then `on_trouble(key, why)` is called.
        """
        key = ("pulseq-test", dispatch.run_id, dispatch.key)
        future = self._node_client.submit(
            node_calls.run_dispatch,
            # Bytes: Dask looks for its keys in the strings and containers that it gets as arguments.
            pickle.dumps(dispatch, protocol=5),
            key=key,
            workers=[address],
            allow_other_workers=False,
            priority=priority,
            pure=False,
        )
        asyncio.get_running_loop().create_task(_watch(future, dispatch.key, on_trouble))

    async def recall(self, run_id: str, address: str, key: str, tests: Iterable[tuple[str, str]]) -> None:
        """Ask a node for tests of a dispatch that it has not begun; its answer is a `TestsRecalled` message.

        Args:
            tests: the last ones of the dispatch, in any order.
        """
        with contextlib.suppress(OSError):  # the node or the scheduler is gone, which is told elsewhere
            # Bytes: see `send`.
            await self._on_nodes(node_calls.recall_tests, [address], run_id, key, pickle.dumps(frozenset(tests)))

    async def no_next(self, run_id: str, address: str, key: str, coming: str | None) -> None:
        """Tell a node that nothing is sent to follow a dispatch on its slot, where it asked that.

        Args:
            coming: a dispatch for any slot that it had not got then.
        """
        with contextlib.suppress(OSError):  # as in `recall`
            await self._on_nodes(node_calls.no_next, [address], run_id, key, coming)

    async def _on_nodes(self, function: Callable[..., Any], addresses: list[str], *arguments: Any) -> dict[str, Any]:
        if not addresses:
            return {}
        if self._node_client.scheduler is None:
            raise ConnectionError("the connection to the scheduler is closed")
        answers = dict(await asyncio.gather(*(self._on_node(function, address, arguments) for address in addresses)))
        for answer in answers.values():
            if isinstance(answer, BaseException) and not isinstance(answer, OSError):
                raise answer
        return answers

    async def _on_node(self, function: Callable[..., Any], address: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
        run = self._node_client.run(function, *arguments, workers=[address], on_error="return")
        call: asyncio.Future[dict[str, Any]] = asyncio.ensure_future(run)
        try:
            while not call.done():
                await asyncio.wait({call}, timeout=MEMBER_POLL_SECONDS)
                # Dask waits for ever for an answer of a process that is frozen, also when it has given the node up.
                if not call.done() and not self._is_member(address):
                    return address, ConnectionError(f"the node at {address} is gone")
        finally:
            call.cancel()
        return address, call.result()[address]


def flow_context() -> dict[str, Any]:
    """The current flow run's context as it travels to nodes, with the way to its API.

    Without the flow's code and parameters: a node puts PulseQ's own flow in that place, so a user's flow file
    need not exist there. And without the settings, which are each machine's own.
    """
    flow_run = FlowRunContext.get()
    assert flow_run is not None
    context = flow_run.serialize()
    for unwanted in ("flow", "parameters"):
        context.pop(unwanted, None)
    return {"flow_run_context": context, "api_access": read_access()}


async def _watch(future: Any, key: str, on_trouble: Callable[[str, str], None]) -> None:
    # Its exception and not `await future`: there is nothing to fetch, and a fetch is a round trip to the node.
    error = await future.exception()
    if error is not None:
        on_trouble(key, f"{type(error).__name__}: {error}")
    # At once: what is held is run again when its node dies.
    future.release()
