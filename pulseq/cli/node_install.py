"""`pulseq node install`: this release of PulseQ on other hosts."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pulseq.cluster.host_install import DEFAULT_PLACE, Installation, Target, install_on, pack_archive, where_it_is
from pulseq.cluster.own_release import pack_release
from pulseq.cluster.ssh_command import split_host
from pulseq.errors import ExitCode, InfrastructureError, UsageError, hint_at_nearest
from pulseq.fleet import NodeSpec, SshSpec
from pulseq.safe_text import safe_line
from pulseq.suites.nodes_file import load_fleet


def install(
    *hosts: str,
    nodes: Path | None = None,
    python: str | None = None,
    directory: str = DEFAULT_PLACE,
    wheelhouse: Path | None = None,
    ssh_option: Annotated[tuple[str, ...] | None, Parameter(negative="")] = None,
) -> int:
    """Make a virtual environment with this release of PulseQ on other hosts, where runs look for it.

    Over one ssh connection a host, hosts side by side. A host that has it is left as it is; on the others what was
    there stays in use until the new one is whole.

    Args:
        hosts: Hosts as ssh knows them, `HOST` or `USER@HOST`; with --nodes ids of its nodes, all where none is given.
        nodes: Nodes file that says how its hosts are reached.
        python: Interpreter there, 3.11 or newer, to make the environment with; by default one is looked for.
        directory: Where it goes on the hosts.
        wheelhouse: Directory of wheels here that are sent along, for hosts that reach no package index.
        ssh_option: NAME=VALUE as of ssh_config; again for more.
    """
    options = tuple(_read_option(text) for text in ssh_option or ())
    targets = _find_targets(hosts, nodes, options)
    release = pack_release()
    with tempfile.TemporaryFile() as archive:
        pack_archive(release, wheelhouse, archive)
        archive.flush()
        wanted = Installation(
            archive=archive, digest=release.digest, version=release.version, place=directory, python=python
        )
        troubles = asyncio.run(_install_on_all(targets, wanted))
    for trouble in troubles:
        print(f"pulseq: {safe_line(trouble)}", file=sys.stderr)
    if directory != DEFAULT_PLACE and len(troubles) < len(targets):
        _tell(f"runs find it there by `ssh: {{python: {where_it_is(directory)}}}` in the nodes file")
    return ExitCode.NO_VERDICT if troubles else ExitCode.OK


async def _install_on_all(targets: Sequence[Target], wanted: Installation) -> list[str]:
    """Why it could not be put on some of them."""

    async def install_on_one(target: Target) -> str | None:
        name = f"{target.ssh.user}@{target.host}" if target.ssh.user else target.host
        try:
            await install_on(target, wanted, lambda text: _tell(f"{name}: {text}"))
        except InfrastructureError as error:
            return str(error)
        return None

    told = await asyncio.gather(*(install_on_one(target) for target in targets))
    return [trouble for trouble in told if trouble is not None]


def _find_targets(hosts: Sequence[str], nodes: Path | None, options: tuple[tuple[str, str], ...]) -> list[Target]:
    """Each host once, in the order in which they were named.

    Raises:
        UsageError: one of them is none.
    """
    specs = _find_nodes(hosts, nodes) if nodes is not None else _read_hosts(hosts)
    targets = {(spec.host, spec.ssh.user, spec.ssh.port): spec for spec in specs}
    return [Target(spec.host, replace(spec.ssh, options=spec.ssh.options + options)) for spec in targets.values()]


def _read_hosts(hosts: Sequence[str]) -> Iterator[NodeSpec]:
    if not hosts:
        raise UsageError("found no host, expected `pulseq node install HOST…`, or --nodes FILE")
    for text in hosts:
        try:
            user, host = split_host(text)
        except ValueError as error:
            raise UsageError(str(error)) from None
        yield NodeSpec(host, host, ssh=SshSpec(user=user))


def _find_nodes(ids: Sequence[str], path: Path) -> list[NodeSpec]:
    known = {spec.id: spec for spec in load_fleet(path).nodes if not spec.is_local}
    if not known:
        raise UsageError(f"{path}: found no node on another host, expected one with `host:`")
    for node_id in ids:
        if node_id not in known:
            expected = f"one of {', '.join(known)}{hint_at_nearest(node_id, known)}"
            raise UsageError(f"{path}: found no node {node_id!r} on another host, expected {expected}")
    return [known[node_id] for node_id in ids] if ids else list(known.values())


def _read_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise UsageError(f"--ssh-option: found {text!r}, expected NAME=VALUE as of ssh_config, such as ProxyJump=gate")
    return name.strip(), value.strip()


def _tell(text: str) -> None:
    print(safe_line(text), file=sys.stderr, flush=True)
