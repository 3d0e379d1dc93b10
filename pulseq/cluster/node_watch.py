"""What the Dask scheduler tells every run of nodes that come and go."""

from __future__ import annotations

from typing import Any

from distributed import Scheduler, SchedulerPlugin

from pulseq.protocol.entry_points import NODE_TOPIC


class NodeWatch(SchedulerPlugin):
    """Publishes each worker's arrival and departure, with the labels that it registered."""

    name = "pulseq-node-watch"

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        state = scheduler.workers[worker]
        self._publish({"event": "joined", "address": worker, "name": str(state.name), "labels": labels_of(state)})

    def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **_: Any) -> None:
        silent = stimulus_id.startswith("check-worker-ttl")
        why = "it was silent for longer than node_timeout" if silent else "its connection ended"
        self._publish({"event": "left", "address": worker, "why": why})

    def _publish(self, message: dict[str, Any]) -> None:
        self._scheduler.log_event(NODE_TOPIC, message)


def labels_of(worker_state: Any) -> dict[str, Any]:
    """What the node sent at registration, or nothing for a worker that is no node of ours."""
    labels: dict[str, Any] = worker_state.extra.get("pulseq", {})
    return labels
