"""What the scheduler between runs does when a run's driver has gone, however it went."""

from __future__ import annotations

import pickle

from distributed import Scheduler, SchedulerPlugin

from pulseq.background import Background
from pulseq.cluster.node_watch import labels_of
from pulseq.protocol.coding import encode
from pulseq.protocol.entry_points import run_topic, take_message
from pulseq.protocol.to_node import LeaveRun, Order

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
    """Lets nodes and scheduler forget a run whose driver has left.

    A driver that ends well has told its nodes before; one that was killed has not, and its bodies
    would go on. Nodes that live for one run need none of this: they die with their driver.
    """

    name = "pulseq-run-watch"
    #: Where one is already, it stays.
    idempotent = True

    def __init__(self) -> None:
        self._background = Background()

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        run_id = run_of(client)
        if run_id is None:
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
        farewell.add_done_callback(lambda _: self._forget(scheduler, run_id))

    def _forget(self, scheduler: Scheduler, run_id: str) -> None:
        # The last messages of a run stay with its topic: of some use to its driver, of none to the next.
        scheduler._broker.truncate(run_topic(run_id))
