"""Makes a node of any Dask worker: `dask worker ADDRESS --preload pulseq.node.preload [--id ID] [--label NAME=VALUE]`.

In Dask's configuration it is `distributed.worker.preload` and `distributed.worker.preload-argv`. The worker stays what
it is for tasks of its owner, with as many threads as it has.

Little is imported here: a nanny loads this module too, to look at the arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
from collections.abc import Coroutine, Mapping
from typing import Any

import click
import dask

from pulseq.capabilities import read_labels
from pulseq.models import CapabilityValue
from pulseq.orchestration.quiet_settings import NODE_SETTINGS
from pulseq.processes.native_threads import with_variables

logger = logging.getLogger("pulseq.node")

_NO_ID = re.compile(r"^[^A-Za-z0-9]+|[^A-Za-z0-9._-]+")
_LONGEST_ID = 100
#: How long a node may take to answer, before another one that has come has its place.
_TWIN_SECONDS = 10.0
_HASH_SEED_OF_NANNIES = "6640"
#: The node of this process, for as long as it is one.
_node: asyncio.Task[None] | None = None
_over = asyncio.Event()
#: Workers that end since their nodes have failed; nobody else holds what closes them.
_closings: set[asyncio.Task[str]] = set()


class _Setup(click.Command):
    """As Dask calls it: for wrong arguments it would only log a traceback, and have a worker that is no node."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(info_name, args, *rest, **extra)
        except click.UsageError as error:
            context = click.Context(self, info_name=info_name)
            context.params = {"trouble": error.format_message()}
            return context


def _read_id(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and value != make_id(value):
        raise click.BadParameter(
            f"found {value!r}, expected up to {_LONGEST_ID} letters, digits, '.', '_' and '-', "
            "the first of them a letter or digit"
        )
    return value


def _read_labels(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, CapabilityValue]:
    try:
        return read_labels(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(cls=_Setup)
@click.option("--id", "node_id", callback=_read_id, help="Id of the node; by default the name of its worker.")
@click.option(
    "--label", "labels", multiple=True, callback=_read_labels, help="NAME=VALUE that it offers; again for more."
)
@click.option(
    "--slots", type=click.IntRange(min=1), help="Tests at a time; by default as many as the worker has threads."
)
async def dask_setup(
    worker: Any,
    node_id: str | None = None,
    labels: Mapping[str, CapabilityValue] | None = None,
    slots: int | None = None,
    trouble: str | None = None,
) -> None:
    """Make a node of a worker, before it registers; one that cannot be a node says so at registration."""
    global _node, _over
    node_id = node_id or _id_of(worker)
    if trouble is None and _node is not None:
        trouble = "another worker of its process is a node already; give each worker a process of its own"
    if trouble is None and (taken := await _find_twin(worker, node_id)):
        # Under a name of its own, so that nobody takes it for the other one.
        node_id, trouble = make_id(f"{worker.port}-{node_id}"), taken
    if trouble is None:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _over = asyncio.Event()
        _node = asyncio.create_task(_serve(worker, node_id, labels or {}, slots or worker.state.nthreads, ready))
        try:
            await ready
        except Exception as error:  # noqa: BLE001 - the worker is of use to its owner all the same
            _node, trouble = None, str(error) or repr(error)
    if trouble is not None:
        logger.error("this worker cannot be a node: %s", trouble)
        told = {"id": node_id, "slots": 0, "capabilities": {}, "trouble": trouble}
        worker.startup_information["pulseq"] = lambda _worker: told


async def dask_teardown(_worker: Any) -> None:
    """End what runs here, while the worker can still say so."""
    global _node
    if (node := _node) is not None:
        _node = None
        _over.set()
        while not node.done():
            # A loop that ends cancels this too; a worker that is not closed to its end keeps others waiting for that.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({node})


async def _find_twin(worker: Any, node_id: str) -> str | None:
    """Why a worker that has not registered yet cannot have this id: a node that lives has it; None where it can."""
    from pulseq.protocol.node_probe import probe_node
    from pulseq.protocol.welcome import say_taken

    with contextlib.suppress(OSError):  # without a scheduler the worker itself does not begin
        members = (await worker.scheduler.identity(n_workers=-1))["workers"]
        for address, member in members.items():
            labels = member.get("pulseq", {})
            if labels.get("id") != node_id or "trouble" in labels:
                continue
            if await probe_node(worker.scheduler, address, _TWIN_SECONDS) is not None:
                return say_taken(node_id, labels.get("host") or member.get("host"), address, worker.address)
            # It was killed, or its host was, and its scheduler has not noticed yet.
            await worker.scheduler.unregister(address=address, stimulus_id=f"pulseq-returns-{node_id}")
    return None


async def _serve(
    worker: Any, node_id: str, labels: Mapping[str, CapabilityValue], slots: int, ready: asyncio.Future[None]
) -> None:
    # A task of its own, and not the two ends of a context: a worker that has no nanny is never closed when it is
    # told to end, but all that its loop still does is cancelled.
    try:
        if worker.nanny is not None:
            _forget_settings_of_nanny()
        with with_variables(NODE_SETTINGS):
            from pulseq.node.host_process import own_root
            from pulseq.node.node_on_worker import NodePlan, run_node

        with own_root() as root:
            plan = NodePlan(
                node_id=node_id,
                slots=slots,
                temp_root=root / "n",
                capabilities=labels,
                way="joined",
                shares_worker=True,
            )
            async with run_node(worker, plan) as agent:
                ready.set_result(None)
                await _until_over(worker, agent.see_failed())
    except Exception as error:
        if ready.done():
            raise
        ready.set_exception(error)


async def _until_over(worker: Any, failure: Coroutine[Any, Any, None]) -> None:
    """Until the worker ends, which it does where something of the node fails: a nanny starts another one."""
    over, failed = asyncio.create_task(_over.wait()), asyncio.create_task(failure)
    try:
        await asyncio.wait({over, failed}, return_when=asyncio.FIRST_COMPLETED)
        if not over.done():
            logger.error("something that this node needs has failed: its worker ends")
            closing = asyncio.create_task(worker.close(nanny=False))
            closing.add_done_callback(_closings.discard)
            _closings.add(closing)
            await over  # what closes a worker waits for its node
    finally:
        over.cancel()
        failed.cancel()


def _forget_settings_of_nanny() -> None:
    """Take variables away that a nanny has set for its worker: bodies shall have those of its owner's."""
    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ").items():
        if os.environ.get(name) == str(value):
            del os.environ[name]
    if os.environ.get("PYTHONHASHSEED") == _HASH_SEED_OF_NANNIES:
        del os.environ["PYTHONHASHSEED"]


def make_id(name: str) -> str:
    """A node's id from any name: what could not name a file is left out."""
    return _NO_ID.sub(lambda found: "-" if found.start() else "", name)[:_LONGEST_ID]


def _id_of(worker: Any) -> str:
    if worker.name == worker.address:  # nobody has named it
        return make_id(f"{socket.gethostname()}-{worker.port}")
    return make_id(str(worker.name)) or make_id(f"worker-{worker.port}")
