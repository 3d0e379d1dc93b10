"""Steps of a run that go on side by side: the first to end, and the end of all."""

from __future__ import annotations

import asyncio
from typing import Any


async def end_all(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks and see them end, whatever they end with."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def first_of(tasks: set[asyncio.Task[Any]], *, unless: asyncio.Task[Any] | None = None) -> None:
    """Until one of these has ended. Raises what it was ended by, or what `unless` fails with before."""
    while True:
        watched = tasks if unless is None or unless.done() else {*tasks, unless}
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if done & tasks:
            return
