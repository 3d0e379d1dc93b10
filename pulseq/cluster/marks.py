"""Marks of nodes: in the metadata of a Dask scheduler, which all who use it share, and told to all drivers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from pulseq.errors import InfrastructureError
from pulseq.marks import MOST_WHY_CHARACTERS, NodeMark
from pulseq.protocol.entry_points import MARKED, MARKS_KEY, NODE_TOPIC

#: What kept them from the disk, if anything did.
TROUBLE_KEY = "pulseq-marks-trouble"
_PATIENCE_SECONDS = 10.0


def decode_mark(told: object) -> NodeMark | None:
    """The mark that plain data tells of; None where it tells of none."""
    try:
        return msgspec.convert(told, NodeMark)
    except msgspec.ValidationError:
        return None


def decode_marks(told: object, *, opened: bool = False) -> dict[str, NodeMark]:
    """Marks as a scheduler or a file has them, by node; what is none is left out, and, unless `opened`, open ones."""
    marks = map(decode_mark, told.values()) if isinstance(told, Mapping) else ()
    return {mark.node_id: mark for mark in marks if mark is not None and (opened or not mark.is_open)}


async def read_marks(scheduler: Any, *, opened: bool = False) -> dict[str, NodeMark]:
    """The marks of nodes, by node, asked by an `rpc` to their scheduler or a client's.

    Args:
        opened: also those of nodes that have been opened again.

    Raises:
        InfrastructureError: the scheduler does not answer.
    """
    async with _answering():
        return decode_marks(await scheduler.get_metadata(keys=[MARKS_KEY], default={}), opened=opened)


async def write_marks(scheduler: Any, marks: Iterable[NodeMark]) -> str | None:
    """Mark nodes from now on, for all who use their scheduler; why they may not outlive it, or None.

    Raises:
        InfrastructureError: the scheduler does not answer.
    """
    async with _answering():
        for mark in marks:
            told = msgspec.to_builtins(msgspec.structs.replace(mark, why=mark.why[:MOST_WHY_CHARACTERS]))
            await scheduler.set_metadata(keys=[MARKS_KEY, mark.node_id], value=told)
            # Drivers look for an address in whatever they hear on this topic.
            await scheduler.log_event(topic=NODE_TOPIC, msg={"event": MARKED, "address": "", "mark": told})
        trouble: str | None = await scheduler.get_metadata(keys=[TROUBLE_KEY], default=None)
        return trouble


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except (OSError, TimeoutError, ValueError) as error:  # the last for what is no address at all
        raise InfrastructureError(f"the scheduler does not answer ({type(error).__name__})") from error
