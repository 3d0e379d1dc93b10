"""A driver's connection to a scheduler, which is over for good when it breaks."""

from __future__ import annotations

import asyncio
import functools
import warnings
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Client

from pulseq.cluster.scheduler_address import no_scheduler
from pulseq.errors import InfrastructureError
from pulseq.protocol.connections import connection_settings
from pulseq.security.credentials import Credentials
from pulseq.security.tls import security_of

_CONNECT_SECONDS = 10.0
_KNOCK_SECONDS = 3.0


async def connect_driver(address: str, *, name: str, node_timeout: float, credentials: Credentials | None) -> Any:
    """A client of the scheduler at `address`, which is closed when its connection breaks.

    Dask's own connects again within milliseconds, as somebody whom the scheduler tells nothing any more, and who has
    let go of all that ran: nobody who looks at it now and then would see that.

    Args:
        name: of the client, by which the scheduler knows whose it is.
        node_timeout: seconds of silence that a link may have, to this scheduler too.
        credentials: of the cluster; None for somebody's own that has none.

    Raises:
        InfrastructureError: nothing answers there.
    """
    try:
        with dask.config.set(connection_settings(node_timeout)), warnings.catch_warnings():
            # What has to be alike is looked at where nodes are let in; another Python is a capability.
            warnings.filterwarnings("ignore", message="Mismatched versions found")
            client: Any = await Client(  # type: ignore[no-untyped-call]
                address,
                asynchronous=True,
                set_as_default=False,
                timeout=_CONNECT_SECONDS,
                name=name,
                security=security_of(credentials),
            )
    except (OSError, ValueError) as error:
        raise InfrastructureError(no_scheduler(address, error)) from error
    client._reconnect = functools.partial(client._close, fast=True)
    return client


async def refuses(address: str) -> bool:
    """Whether the machine of a scheduler says that nothing listens there; what does not answer may yet."""
    place = urlsplit(address)
    try:
        async with asyncio.timeout(_KNOCK_SECONDS):
            _, writer = await asyncio.open_connection(place.hostname, place.port)
    except ConnectionRefusedError:
        return True
    except OSError:  # a TimeoutError is one, too
        return False
    writer.close()
    return False
