"""What the scheduler between runs knows of their drivers, and does when one has gone, however it went."""

from __future__ import annotations

import asyncio
import pickle

from distributed import Scheduler, SchedulerPlugin

from pulseq.background import Background
from pulseq.cluster.node_watch import labels_of
from pulseq.protocol.coding import encode
from pulseq.protocol.entry_points import take_message
from pulseq.protocol.from_node import run_topic
from pulseq.protocol.to_node import LeaveRun, Order

#: Where the client of each run is in the scheduler's metadata, by the id of the run.
DRIVERS_KEY = "pulseq-drivers"
#: So long nodes are waited for until another driver may have the run: one of them may be out of reach.
_FAREWELL_SECONDS = 3.0
_CLASS = "Client-"
_DRIVER = "pulseq-run-"
_UUID_LENGTH = 36


def driver_name(run_id: str) -> str:
    """The name that a driver gives its Dask client, for the scheduler to know whose it is."""
    return f"{_DRIVER}{run_id}"


def run_of(client: str) -> str | None:
    """The run that a client's id tells of (`Client-NAME-UUID`), or None."""
    name = client.removeprefix(_CLASS)[: -_UUID_LENGTH - 1]
    return name.removeprefix(_DRIVER) if name.startswith(_DRIVER) else None


class RunWatch(SchedulerPlugin):
    """Says which client has a run, and lets nodes and scheduler forget one whose driver has left.

    All that is said of a run goes by its id: so no second driver may have it, until all have forgotten the first.

    A driver that ends well has told its nodes before; one that was killed has not, and its bodies
    would go on. Nodes that live for one run need none of this: they die with their driver.
    """

    name = "pulseq-run-watch"
    #: Where one is already, it stays.
    idempotent = True

    def __init__(self) -> None:
        self._background = Background()

    async def start(self, scheduler: Scheduler) -> None:
        """Begin where drivers are already."""
        for client in scheduler.clients:
            self.add_client(scheduler, client)

    def add_client(self, scheduler: Scheduler, client: str) -> None:
        if (run_id := run_of(client)) is not None:
            _drivers(scheduler).setdefault(run_id, client)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        run_id = run_of(client)
        if run_id is None or _drivers(scheduler).get(run_id, client) != client:
            return
        message = {
            "op": "run",  # as Dask's client would ask for it
            "function": pickle.dumps(take_message),
            "args": pickle.dumps((encode(Order(run_id, LeaveRun())),)),
        }
        # Workers of others may not even have the function.
        nodes = [address for address, state in scheduler.workers.items() if labels_of(state)]
        leaving = scheduler.broadcast(msg=message, workers=nodes, on_error="ignore")
        farewell = self._background.start(leaving, f"leaving run {run_id}")
        self._background.start(self._forget(scheduler, run_id, farewell), f"forgetting run {run_id}")

    async def _forget(self, scheduler: Scheduler, run_id: str, farewell: asyncio.Task[object]) -> None:
        await asyncio.wait({farewell}, timeout=_FAREWELL_SECONDS)
        # The last messages of a run stay with its topic: of some use to its driver, of none to the next.
        scheduler._broker.truncate(run_topic(run_id))
        _drivers(scheduler).pop(run_id, None)
        for client in scheduler.clients:
            if run_of(client) == run_id:  # it waits for that
                self.add_client(scheduler, client)


def _drivers(scheduler: Scheduler) -> dict[str, str]:
    drivers: dict[str, str] = scheduler.task_metadata.setdefault(DRIVERS_KEY, {})
    return drivers
