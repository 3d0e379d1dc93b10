"""What the scheduler between runs does when somebody retires a worker that is a node."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from distributed import Scheduler, SchedulerPlugin

from pulseq.cluster.node_watch import labels_of
from pulseq.protocol.entry_points import MARKED, MARKS_KEY, NODE_TOPIC

_POLL_SECONDS = 0.1
_WHO = "dask"


class RetireWatch(SchedulerPlugin):
    """Has a node that is retired (`retire_workers`, adaptive scaling, a lifetime) stay until its tests are done.

    Dask moves a worker's data and closes it, whatever it runs. Here it is drained first: drivers take back what it
    has not begun, and what it has goes on.
    """

    name = "pulseq-retire-watch"
    #: Where one is already, it stays.
    idempotent = True

    async def start(self, scheduler: Scheduler) -> None:
        retire: Any = scheduler._track_retire_worker

        async def retire_when_done(worker: Any, *rest: Any, **named: Any) -> Any:
            with _drained(scheduler, labels_of(worker).get("id")):
                while any(map(_is_dispatch, worker.long_running)):
                    if worker.address not in scheduler.workers:
                        break
                    await asyncio.sleep(_POLL_SECONDS)
                return await retire(worker, *rest, **named)

        scheduler._track_retire_worker = retire_when_done  # type: ignore[method-assign, assignment]


def _is_dispatch(task: Any) -> bool:
    """Whether a task of Dask's that has left its thread to others is a dispatch (`task_key`)."""
    return isinstance(task.key, tuple) and task.key[0] == "pulseq-test"


@contextlib.contextmanager
def _drained(scheduler: Scheduler, node_id: str | None) -> Iterator[None]:
    """Have drivers give a node nothing more meanwhile, unless it is marked already."""
    marks = scheduler.get_metadata([MARKS_KEY], {})
    if node_id is None or marks.get(node_id, {}).get("state", "open") != "open":
        yield
        return
    ours = _mark(scheduler, node_id, "draining", "its worker is being retired")
    try:
        yield
    finally:  # it is gone, or stays; and the next one of its name is another
        if scheduler.get_metadata([MARKS_KEY, node_id], None) == ours:  # nobody has said more of it meanwhile
            _mark(scheduler, node_id, "open", "")


def _mark(scheduler: Scheduler, node_id: str, state: str, why: str) -> dict[str, Any]:
    mark = {"node_id": node_id, "state": state, "why": why, "who": _WHO, "at": time.time()}
    scheduler.set_metadata([MARKS_KEY, node_id], mark)
    scheduler.log_event(NODE_TOPIC, {"event": MARKED, "address": "", "mark": mark})
    return mark
