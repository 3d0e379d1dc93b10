"""`pulseq node start`: this machine as a node of a fleet."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pulseq.capabilities import parse_size, read_labels
from pulseq.errors import UsageError
from pulseq.models import CapabilityValue
from pulseq.ownership import default_home
from pulseq.safe_text import safe_line
from pulseq.security.greeting import split_address
from pulseq.suites.values import FILE_NAME, FILE_NAME_WORDS

if TYPE_CHECKING:
    from pulseq.node.joined_node import JoinPlan


def start(
    *,
    scheduler: str,
    credentials: Path | None = None,
    id: Annotated[str, Parameter(name="--id")],
    labels: Annotated[tuple[str, ...], Parameter(name="--label", negative="")] = (),
    slots: int | None = None,
    port: int = 0,
    contact: str | None = None,
    directory: Path | None = None,
    store_size: str | None = None,
) -> int:
    """Join a fleet with this machine, and stay in the foreground; for a terminal, a container or systemd.

    After a lost scheduler or network it joins again by itself. At SIGTERM, Ctrl-C or the end of its terminal it takes
    no new tests and ends when those that it has are done; at once on a second signal.

    Args:
        scheduler: Where the fleet is: tls://HOST:PORT, as `pulseq up --listen` tells it.
        credentials: The file that `pulseq certs node` has written for this machine; by default the one that the
            variable PULSEQ_CREDENTIALS names.
        id: What the node is called; no other of the fleet may be called so.
        labels: A capability, as browser=chrome; give it again for each further one. What can be read off the machine
            (os, arch, python, cpus, memory, gpu) need not be said.
        slots: So many tests run at a time; by default one a processor.
        port: On which the scheduler reaches the node; by default any that is free.
        contact: HOST or HOST:PORT under which the scheduler reaches the node, where that is not its own address.
        directory: For its logs, what it has to know of itself, and what runs send of their projects; by default
            `nodes/ID` in the state directory, and the usual place for projects.
        store_size: How much of projects to keep between runs, such as 20GB; by default what runs say.
    """
    if not FILE_NAME.fullmatch(id):
        raise UsageError(f"--id: found {id!r}, expected {FILE_NAME_WORDS}")
    _check_number("--slots", slots, 1, 512)
    _check_number("--port", port, 0, 65535)
    if store_size is not None and parse_size(store_size) is None:
        raise UsageError(f"--store-size: found {store_size!r}, expected a size such as 20GB")
    told = _read_labels(labels)
    # What a node takes along is loaded once its words are known to be right.
    from pulseq.cluster.scheduler_address import credentials_for
    from pulseq.node.joined_node import JoinPlan
    from pulseq.node.machine import read_machine
    from pulseq.reports.wording import say_capabilities, say_count

    home = default_home()
    plan = JoinPlan(
        scheduler=scheduler,
        credentials=credentials_for(home, scheduler, credentials),
        node_id=id,
        labels=told,
        slots=slots or len(os.sched_getaffinity(0)),
        port=port,
        contact=None if contact is None else complete_contact(contact, scheduler, port),
        directory=(directory or home / "nodes" / id).absolute(),
        projects=directory and directory.absolute(),
        store_bytes=parse_size(store_size) if store_size else None,
    )
    _tell(f"node {id}: {say_count(plan.slots, 'slot')}")
    _tell(f"read off this machine: {say_capabilities(read_machine())}")
    if told:
        _tell(f"told: {safe_line(' '.join(labels))}")
    _tell(f"logs are in {plan.directory / 'logs'}")
    asyncio.run(_join(plan))
    _tell(f"node {id} has ended")
    return 0


async def _join(plan: JoinPlan) -> None:
    from pulseq.node.joined_node import JoinedNode

    await JoinedNode(plan, lambda text: _tell(safe_line(text))).run()


def _read_labels(words: tuple[str, ...]) -> dict[str, CapabilityValue]:
    try:
        return read_labels(words)
    except ValueError as error:
        raise UsageError("\n".join(f"--label: {problem}" for problem in str(error).splitlines())) from None


def complete_contact(contact: str, scheduler: str, port: int) -> str:
    """An address for the scheduler to reach a node at, from HOST or HOST:PORT.

    Raises:
        UsageError: it has no port, and the node may have any.
    """
    scheme, place = scheduler.rpartition("://")[0] or "tcp", contact.rpartition("://")[2]
    has_port = ":" in place and not place.endswith("]")
    address = f"{scheme}://{place}" if has_port else f"{scheme}://{place}:{port}"
    try:
        split_address(address)
    except ValueError:
        expected = "HOST:PORT, or HOST with --port: the scheduler has to know on which port it reaches the node"
        raise UsageError(f"--contact: found {contact!r}, expected {expected}") from None
    return address


def _check_number(option: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise UsageError(f"{option}: found {value}, expected a number from {least} to {most}")


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody need be there to read it
        print(text, file=sys.stderr, flush=True)
