"""What a driver calls on a node, by way of Dask; each finds the agent of the process it lands in.

Nothing heavy is imported here: the scheduler unpickles references to these functions too, and would
import Prefect for them (two seconds before the first test).
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from pulseq.node.agent_registry import current_agent

if TYPE_CHECKING:
    from pulseq.protocol.work import Dispatch


async def run_dispatch(payload: bytes) -> None:
    """Run a pickled `Dispatch`."""
    dispatch: Dispatch = pickle.loads(payload)
    await current_agent().run(dispatch.run_id).handle(dispatch)


async def run_task(flow: str, setup: bytes, request: bytes) -> bytes:
    """Run a task of anybody's flow in a slot; the answer of its process."""
    return await current_agent().flow_tasks.run(flow, setup, request)


async def begin_run(run_id: str) -> None:
    """Get ready to collect for a run."""
    current_agent().begin_run(run_id)


async def enter_run(run_id: str, context: bytes) -> None:
    """Get ready for the dispatches of a run, given its pickled Prefect context."""
    current_agent().begin_run(run_id)
    await current_agent().run(run_id).open(pickle.loads(context))


async def leave_run(run_id: str) -> None:
    """End what is left of a run, or of the tasks of anybody's flow run, and forget it."""
    await current_agent().leave_run(run_id)


async def cancel_run(run_id: str) -> None:
    """End the bodies of a run; a node that has just come does not know it."""
    if current_agent().knows(run_id):
        await current_agent().run(run_id).cancel()


async def recall_tests(run_id: str, key: str, tests: bytes) -> None:
    """Give back those of these tests (pickled keys) that a dispatch has not begun; the answer is a message."""
    if current_agent().knows(run_id):
        await current_agent().run(run_id).recall(key, pickle.loads(tests))


async def no_next(run_id: str, key: str, coming: str | None = None) -> None:
    """Nothing is sent to follow a dispatch; the answer to a `NextAsked`.

    Args:
        coming: a dispatch for any slot of the node that it had not got when it asked: that may be what follows.
    """
    if current_agent().knows(run_id):
        current_agent().run(run_id).no_next(key, coming)


async def finish_sessions(run_id: str) -> None:
    """Tear down idle pytest sessions of a run; a node that has just come has none."""
    if current_agent().knows(run_id):
        await current_agent().run(run_id).finish_sessions()


async def collect(run_id: str, spec: bytes) -> bytes:
    """Collect the session of a pickled `PytestSpec`; a pickled `Collection`."""
    current_agent().begin_run(run_id)
    return pickle.dumps(await current_agent().run(run_id).collect(pickle.loads(spec)))
