"""The address of a scheduler that somebody else started."""

from __future__ import annotations

import asyncio

from pulseq.errors import InfrastructureError, UsageError


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
