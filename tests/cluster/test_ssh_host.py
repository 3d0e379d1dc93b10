"""Nodes on a host that is reached by the system's own ssh, through a real sshd."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec

import psutil
import pytest

from pulseq.cluster import ssh_forwards
from pulseq.cluster.host_link import HostLink
from pulseq.cluster.own_nodes import OwnNodes
from pulseq.cluster.ssh_host import SshHost
from pulseq.errors import InfrastructureError
from pulseq.fleet import Fleet, NodeSpec, SshSpec
from pulseq.protocol.host import NodeEnded
from tests.sshd import Sshd, make_key, needs_sshd, running_sshd

pytestmark = [needs_sshd, pytest.mark.system]
P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd"), sys.executable) as running:
        yield running


def host_of(spec: SshSpec, tmp_path: Path, **changes: Any) -> SshHost:
    return SshHost("lab1", replace(spec, **changes), slots=1, logs=tmp_path / "logs", silence_seconds=10)


async def refusal(host: SshHost) -> str:
    with pytest.raises(InfrastructureError) as refused:
        await host.connect()
    await host.stop()
    return str(refused.value)


def nodes_on(sshd: Sshd, tmp_path: Path, *ids: str, **options: Any) -> OwnNodes:
    fleet = Fleet(tuple(NodeSpec(node_id, "lab1", ssh=sshd.spec) for node_id in ids))
    return OwnNodes(
        fleet, run_directory=tmp_path, heartbeat_seconds=5, node_timeout_seconds=10, environment={}, **options
    )


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@in_a_loop
async def test_nodes_start_end_and_come_back_over_one_connection(sshd: Sshd, tmp_path: Path) -> None:
    nodes = nodes_on(sshd, tmp_path, "a", "b")
    ends: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    nodes.on_node_ended = lambda node_id, why: ends.put_nowait((node_id, why))
    try:
        await nodes.start()
        await nodes.join()
        [a, b] = nodes._nodes.values()
        assert a.pid == b.pid  # the ssh that both are reached through
        [link] = [host._link for host in nodes._starter.hosts()]
        assert link is not None
        ways = dict(link._ways)
        await nodes.remove("a")
        assert list(nodes._nodes) == ["b"]
        async with asyncio.timeout(30):
            while listens(ways["a"][0]):  # noqa: ASYNC110 - ssh does not tell
                await asyncio.sleep(0.05)
        assert listens(ways["b"][0])
        os.kill(b.pid, 9)  # the connection
        async with asyncio.timeout(30):
            assert await ends.get() == ("b", "the way to host lab1 is lost")
            while nodes._nodes["b"] is b:  # noqa: ASYNC110 - nobody tells that it is back
                await asyncio.sleep(0.05)
        back = nodes._nodes["b"].pid
        await nodes.remove("b")  # the last one there
        assert not psutil.pid_exists(back)
        await nodes.add(NodeSpec("c", "lab1", ssh=sshd.spec))
        assert psutil.pid_exists(nodes._nodes["c"].pid)
    finally:
        await nodes.stop()


@in_a_loop
async def test_a_shell_that_talks_does_no_harm(sshd: Sshd, tmp_path: Path) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\necho "welcome to lab1"\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    host = host_of(sshd.spec, tmp_path, python=str(wrapper))
    link = await host.connect()
    assert link.hello.processors == len(os.sched_getaffinity(0))
    await host.stop()


@in_a_loop
async def test_a_port_that_another_program_was_quicker_to_take_is_left_to_it(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_of(sshd.spec, tmp_path)
    try:
        link = await host.connect()
        with socket.socket() as quicker:
            quicker.bind(("127.0.0.1", 0))
            taken = quicker.getsockname()[1]
            first, find_free = [taken], ssh_forwards._free_port
            monkeypatch.setattr(ssh_forwards, "_free_port", lambda: first.pop() if first else find_free())
            here = await link._forwards.lead_there(9)
        assert not first
        assert here != taken
        assert listens(here)
    finally:
        await host.stop()
    with pytest.raises(InfrastructureError, match="host 'lab1' is lost: the connection to it has ended; see whether"):
        await link._forwards.lead_there(9)


@in_a_loop
async def test_a_key_that_is_not_let_in_is_told(sshd: Sshd, tmp_path: Path) -> None:
    told = await refusal(host_of(sshd.spec, tmp_path, identity=str(make_key(tmp_path / "other"))))
    assert told.startswith("host 'lab1' refuses your key; `ssh-copy-id lab1`")


@in_a_loop
async def test_an_unknown_host_is_told(sshd: Sshd, tmp_path: Path) -> None:
    options = tuple((name, str(tmp_path / "none") if "Known" in name else value) for name, value in sshd.spec.options)
    told = await refusal(host_of(sshd.spec, tmp_path, options=options))
    assert told.startswith("host 'lab1' is unknown here; `ssh lab1` once")


@in_a_loop
async def test_a_host_that_does_not_listen_is_told(sshd: Sshd, tmp_path: Path) -> None:
    told = await refusal(host_of(sshd.spec, tmp_path, port=1))
    assert told.startswith("host 'lab1' cannot be reached: nothing listens there")


@in_a_loop
async def test_a_host_without_an_address_is_told(sshd: Sshd, tmp_path: Path) -> None:
    told = await refusal(host_of(sshd.spec, tmp_path, options=(("HostName", "lab1.invalid"),)))
    assert told.startswith("host 'lab1' has no address")


@in_a_loop
async def test_a_python_without_pulseq_is_told(sshd: Sshd, tmp_path: Path) -> None:
    bare = getattr(sys, "_base_executable", "/usr/bin/python3")
    told = await refusal(host_of(sshd.spec, tmp_path, python=bare))
    assert told == "host 'lab1' has no PulseQ under its python; `pulseq node install lab1` puts this one there"


@in_a_loop
async def test_a_python_that_is_not_there_is_told(sshd: Sshd, tmp_path: Path) -> None:
    told = await refusal(host_of(sshd.spec, tmp_path, python="/nowhere/python"))
    assert told.startswith("host 'lab1' has no such Python: /nowhere/python")


@in_a_loop
async def test_another_version_is_told_with_both(sshd: Sshd, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text(
        f"#!{sys.executable}\n"
        "import pulseq, sys\n"
        "pulseq.__version__ = '0.0.1'\n"
        "from pulseq.node import host_process\n"
        "sys.argv = ['', '1']\n"
        "host_process.main()\n"
    )
    old.chmod(0o755)
    told = await refusal(host_of(sshd.spec, tmp_path, python=str(old)))
    assert told.startswith("host 'lab1' has PulseQ 0.0.1, this machine ")
    assert told.endswith("`pulseq node install lab1` puts this one there")


@in_a_loop
async def test_a_host_that_forbids_forwarding_is_told(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd", sys.executable, "AllowTcpForwarding no") as strict:
        nodes = nodes_on(strict, tmp_path, "a")
        try:
            await nodes.start()
            with pytest.raises(InfrastructureError, match="host 'lab1' forbids forwarding; set `AllowTcpForwarding"):
                await nodes.join()
        finally:
            await nodes.stop()


@in_a_loop
async def test_a_run_goes_on_without_hosts_that_are_missing_where_that_was_asked(sshd: Sshd, tmp_path: Path) -> None:
    there = nodes_on(sshd, tmp_path, "a", without_missing=True)
    missing = NodeSpec("gone", "gone", ssh=replace(sshd.spec, port=1))
    fleet = replace(there.fleet, nodes=(*there.fleet.nodes, missing))
    nodes = OwnNodes(
        fleet,
        run_directory=tmp_path,
        heartbeat_seconds=5,
        node_timeout_seconds=10,
        environment={},
        without_missing=True,
    )
    notes: list[str] = []
    nodes.on_note = notes.append
    try:
        await nodes.start()
        await nodes.join()
        assert [spec.id for spec in nodes.fleet.nodes] == ["a"]
        assert [note for note in notes if note.startswith("going on without gone: host 'gone' cannot be reached")]
    finally:
        await nodes.stop()
        await there.stop()


@in_a_loop
async def test_a_host_says_nothing_of_nodes_that_it_was_not_told_to_start(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    link = HostLink("lab1", SshSpec(), logs, silence_seconds=10)
    link._hear(NodeEnded("../mine", 1, "not yours"))
    assert [logs] == list(tmp_path.iterdir())


@in_a_loop
async def test_a_way_that_leads_nowhere_is_told_once_for_all_nodes_of_the_host(sshd: Sshd, tmp_path: Path) -> None:
    options = (("ProxyCommand", "sleep 100"), ("ConnectTimeout", "1"), *sshd.spec.options)
    host = host_of(sshd.spec, tmp_path, options=options)
    troubles = await asyncio.gather(host.connect(), host.connect(), return_exceptions=True)
    await host.stop()
    assert [str(trouble) for trouble in troubles] == [
        "host 'lab1' cannot be reached: it does not answer; see whether it is up: `ssh lab1`"
    ] * 2
    assert len({id(trouble) for trouble in troubles}) == 1


@in_a_loop
async def test_a_python_may_have_any_path(sshd: Sshd, tmp_path: Path) -> None:
    wrapper = tmp_path / "py 'thon'"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    host = host_of(sshd.spec, tmp_path, python=str(wrapper))
    assert (await host.connect()).hello.protocol
    await host.stop()


@in_a_loop
async def test_a_node_that_does_not_start_sends_its_log_home(sshd: Sshd, tmp_path: Path) -> None:
    host = host_of(sshd.spec, tmp_path)
    with pytest.raises(InfrastructureError, match=r"node 'a' does not start on host 'lab1': .*; log: .*a.log"):
        await host.start_node("a", {"scheduler": "tls://127.0.0.1:1", "slots": 1, "node_id": "a"})
    await host.stop()
    assert "KeyError" in (tmp_path / "logs" / "a.log").read_text()
