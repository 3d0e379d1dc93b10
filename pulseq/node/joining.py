"""How a node that comes by itself meets its scheduler, before it registers: may it, and what has it to know."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Container, Mapping
from importlib.metadata import version
from typing import Any

import msgspec
from distributed import rpc

from pulseq import __version__
from pulseq.errors import InfrastructureError
from pulseq.node.leaving import take_back_mark
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.welcome import WELCOME_KEY, NodeWords, NotWelcomeError, Welcome, say_taken
from pulseq.security.credentials import Credentials
from pulseq.security.greeting import split_address
from pulseq.security.tls import connection_args

_PATIENCE_SECONDS = 8.0


async def prepare_to_join(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a node that comes by itself, with what its scheduler had to tell.

    Raises:
        NotWelcomeError, InfrastructureError: as `meet_scheduler`.
    """
    address = configuration["scheduler"]
    credentials = Credentials.of(configuration["credentials"])
    welcome = await meet_scheduler(address, credentials, configuration["node_id"], configuration["former"])
    words = welcome.nodes.get(configuration["node_id"], NodeWords())
    return {
        **configuration,
        "env": dict(words.env),
        "python": words.python,
        "host": _address_towards(address),
        "node_timeout_seconds": welcome.node_timeout_seconds,
        "heartbeat_seconds": min(welcome.heartbeat_seconds, welcome.node_timeout_seconds / 3),
    }


def _address_towards(address: str) -> str:
    """The address of this machine, as Dask takes it, that has a way to the scheduler; no other one is of use to it."""
    family, kind, _, _, place = socket.getaddrinfo(*split_address(address), type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(place)
        found = str(probe.getsockname()[0])
    return f"[{found}]" if ":" in found else found


async def meet_scheduler(
    address: str, credentials: Credentials | None, node_id: str, former: Container[str] = ()
) -> Welcome:
    """Ask the scheduler at an address whether a node with this id may join, and see off its former selves.

    Args:
        former: incarnations of this very node; one that is still a member is taken off the scheduler's list.

    Raises:
        NotWelcomeError: what listens there is no scheduler, has another version, or another node of this id.
        InfrastructureError: it does not answer.
    """
    scheduler: Any = rpc(address, connection_args=connection_args(credentials))  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            try:
                identity = await scheduler.identity(n_workers=-1)
            except TypeError:
                raise NotWelcomeError(f"what listens at {address!r} is of Dask, but no scheduler") from None
            welcome = await _read_welcome(scheduler, address)
            await _take_place(scheduler, identity["workers"], node_id, former)
            await take_back_mark(scheduler, node_id)
            return welcome
    except (OSError, TimeoutError) as error:
        raise InfrastructureError(f"the scheduler at {address!r} does not answer ({type(error).__name__})") from error
    finally:
        await scheduler.close_rpc()


async def _read_welcome(scheduler: Any, address: str) -> Welcome:
    packages = (await scheduler.versions())["packages"]
    told = await scheduler.get_metadata(keys=[WELCOME_KEY], default=None)
    welcome = Welcome() if told is None else msgspec.convert(told, Welcome)  # nothing is told by somebody's own
    compared = (
        ("PulseQ", welcome.version or None, __version__),
        ("protocol", welcome.protocol, PROTOCOL),
        ("distributed", packages.get("distributed"), version("distributed")),
    )
    for what, theirs, ours in compared:
        if theirs not in (None, ours):
            advice = "the same release of PulseQ" if what == "protocol" else f"{what} {theirs}"
            told = f"the scheduler at {address!r} has {what} {theirs}, this node {ours}"
            raise NotWelcomeError(f"{told}: install {advice} here, or this node's there")
    return welcome


async def _take_place(
    scheduler: Any, workers: Mapping[str, Mapping[str, Any]], node_id: str, former: Container[str]
) -> None:
    for address, member in workers.items():
        if member.get("name") != node_id:
            continue
        labels = member.get("pulseq", {})
        if labels.get("incarnation") not in former:
            host = labels.get("host") or member.get("host")
            raise NotWelcomeError(say_taken(node_id, host, address))
        # It was killed, or its link was cut, and its scheduler has not noticed yet.
        await scheduler.unregister(address=address, stimulus_id=f"pulseq-returns-{node_id}")
