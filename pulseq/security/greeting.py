"""A first look at an address, before Dask is loaded: does a scheduler listen there that trusts us."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from pulseq.security.context import make_context
from pulseq.security.credentials import Credentials

#: What a scheduler says first begins with its own length.
_SIZE_BYTES = 8
_LONGEST_GREETING = 1 << 20


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address, with or without a scheme; one of IPv6 stands in brackets there.

    Raises:
        ValueError: it is none.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare and bare == host) or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(address)
    return bare, int(port)


async def hear_greeting(address: str, credentials: Credentials | None, patience_seconds: float) -> None:
    """Wait for the first words of a scheduler.

    Raises:
        ValueError: it is no address.
        ssl.SSLError: what listens there does not trust these credentials, or is not trusted.
        OSError: nothing listens there, or it speaks otherwise; a `TimeoutError` where it says nothing.
    """
    host, port = split_address(address)
    context = None if credentials is None else make_context(credentials, ssl.Purpose.SERVER_AUTH)
    async with asyncio.timeout(patience_seconds):
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            # Dask's schedulers speak first; that a certificate is refused is told in the place of that.
            size = int.from_bytes(await reader.readexactly(_SIZE_BYTES), "little")
        except EOFError as error:
            raise ConnectionResetError(str(error)) from error
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    if size > _LONGEST_GREETING:
        raise ConnectionError("what listens there speaks, but not as Dask does")
