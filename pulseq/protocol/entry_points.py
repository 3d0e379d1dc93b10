"""What Dask knows of driver and nodes: two functions that it runs there, and the names of all that it keeps for them.

Nothing heavy is imported here: the scheduler unpickles references to these functions too.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

#: On which a scheduler tells drivers that nodes have come or gone, and that one was marked (the event `MARKED`).
NODE_TOPIC = "pulseq-nodes"
MARKED = "marked"
#: Where marks of nodes are in its metadata, by the ids of nodes.
MARKS_KEY = "pulseq-marks"


#: What a node answers to those that connect to it themselves, as `take_message` does to what the scheduler passes on.
TAKE_DIRECTLY = "pulseq_take"
TaskKey: TypeAlias = tuple[str, str, str]


class SealedMessage(bytes):
    """A message that no log shows: Dask writes what a function was called with where that fails."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


class NodeEnd(Protocol):
    """What takes messages on a node."""

    async def take(self, order: bytes) -> bytes: ...


_node: NodeEnd | None = None


def task_key(run_id: str, name: str) -> TaskKey:
    """What Dask knows a dispatch by, or a task of anybody's flow. A tuple: a text would be a new kind of task each."""
    return ("pulseq-test", run_id, name)


def run_topic(run_id: str) -> str:
    """The topic on which nodes send their reports to the driver of a run."""
    return f"pulseq-run-{run_id}"


def register_node(node: NodeEnd) -> None:
    """From here on messages to this process go to this one."""
    global _node
    _node = node


async def take_dispatch(order: bytes) -> None:
    """Run a dispatch; the task of Dask's that lasts as long as it does."""
    await _registered().take(order)


async def take_message(order: bytes) -> bytes:
    """Do what a message asks, and answer it."""
    return await _registered().take(order)


def _registered() -> NodeEnd:
    if _node is None:
        raise RuntimeError("this Dask worker is not a PulseQ node")
    return _node
