"""The address of a scheduler that somebody else started."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pulseq.cluster.standing_cluster import choose_cluster
from pulseq.errors import InfrastructureError, UsageError


def known_scheduler(home: Path) -> str:
    """The scheduler that `pulseq up` keeps in this state directory.

    Raises:
        UsageError: nothing is up there, or it cannot be used; the text says what to do.
    """
    choice = choose_cluster(home, None)
    if choice.cluster is not None:
        return choice.cluster.scheduler
    why = "" if choice.note is None else f"; {choice.note.partition(':')[0]}"
    raise UsageError(
        f"found no nodes of `pulseq up` in {str(home)!r}{why}, expected some: `pulseq up` starts them, "
        "`scheduler=` names the Dask scheduler of others"
    )


async def check_scheduler(address: str) -> None:
    """Make sure that something listens at a scheduler's address, before anything is started.

    Raises:
        UsageError: it is no address.
        InfrastructureError: nothing answers there.
    """
    try:
        host, _, port_text = address.rpartition("://")[2].rpartition(":")
        port = int(port_text)
    except ValueError:
        raise UsageError(f"--scheduler: found {address!r}, expected an address like 'tcp://127.0.0.1:8786'") from None
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
        writer.close()
    except OSError as error:
        raise InfrastructureError(no_scheduler(address, error)) from error


def no_scheduler(address: str, error: Exception) -> str:
    """What is said when no scheduler answers, and what to do."""
    return (
        f"no Dask scheduler answers at {address!r} ({type(error).__name__}); "
        "start one, or leave out --scheduler to use nodes of this machine"
    )
