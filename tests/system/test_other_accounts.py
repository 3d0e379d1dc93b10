"""What others get from a fleet at work: nothing, be they other accounts of its machines or hosts without credentials.

One fleet serves all these tests: `pulseq up --listen` with a local node, a host that it reaches by ssh and one that
has joined, and two runs at work, one on that fleet and one on nodes of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socketserver
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import pytest
from distributed import Scheduler

from pulseq.security.authority import make_credentials
from pulseq.security.tls import security_of
from tests.accounts import open_place
from tests.hosts.host import Host
from tests.hosts.lab import open_lab
from tests.hosts.login import STRANGER
from tests.hosts.needs import skip_without_hosts
from tests.system.conftest import open_workplace
from tests.system.fleet_place import FleetPlace
from tests.system.intruder import (
    ask_here,
    ask_on,
    ports_of,
    ports_on,
    sockets_of,
    sockets_on,
    try_files,
    try_ports,
    try_sockets,
)
from tests.system.workplace import until

pytestmark = pytest.mark.hosts

#: One test for each node of the fleet, or of the run's own.
LONG = """
suite: long
tests:
  - {id: a, command: [sleep, "300"]}
  - {id: b, command: [sleep, "300"]}
  - {id: c, command: [sleep, "300"]}
"""


@dataclass
class Site:
    """A fleet, its hosts, and one host more, which nobody has given anything."""

    place: FleetPlace
    reached: Host
    joined: Host
    foreign: Host


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """In a directory that every account may enter, and for whose owner all is open to others that he makes."""
    skip_without_hosts()
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(open_lab(tmp_path_factory.mktemp("site") / "lab"))
        stack.callback(os.umask, os.umask(0))
        path = stack.enter_context(open_place())
        workplace = stack.enter_context(open_workplace(path))
        workplace.environment |= {**lab.environment, "XDG_CACHE_HOME": str(path / "cache")}
        place = FleetPlace(workplace, lab)
        reached, joined, foreign = lab(3)
        local = {"id": "here", "host": "localhost"}
        remote = {"id": "there", "host": reached.name, "max_concurrent_tests": 1}
        own = workplace.write("own.nodes.yaml", json.dumps({"nodes": [local, remote]}))
        suite = place.write_suite(LONG)
        place.up(place.write_nodes([local, remote]))
        stack.callback(workplace.run, "down")
        stack.enter_context(ended(place.join(joined, "--slots", "1")))
        workplace.start("run", suite, "--run-id", "fleet")
        workplace.start("run", suite, "--run-id", "own", "--nodes", own)
        until(lambda: len(place.events("attempt_started", "fleet")) == 3, "the fleet tests")
        until(lambda: len(place.events("attempt_started", "own")) == 2, "the run on nodes of its own tests")
        yield Site(place, reached, joined, foreign)


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """It is there in the block, and has ended after it."""
    with process:
        yield
        process.kill()


class Talker(socketserver.BaseRequestHandler):
    """Says something to everybody."""

    def handle(self) -> None:
        self.request.recv(100)
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")


def test_what_gives_something_is_seen_to(site: Site) -> None:
    known = make_credentials("this site")
    here = site.place.lab.address

    async def try_schedulers() -> dict[str, set[str]]:
        options = {"host": here, "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
        async with Scheduler(**options) as open_to_all, Scheduler(**options, security=security_of(known)) as safe:
            schedulers = {"open": open_to_all, "safe": safe}
            places = [(here, scheduler.port) for scheduler in schedulers.values()]
            tried = await asyncio.to_thread(try_ports, ask_on(site.foreign, STRANGER), places, known)
        return {
            name: {one.way for one in tried if one.port == scheduler.port and not one.gives_nothing}
            for name, scheduler in schedulers.items()
        }

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talker) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            tried = try_ports(ask_here, [("127.0.0.1", server.server_address[1])])
        finally:
            server.shutdown()

    assert {"dask", "get", "post"} == {one.way for one in tried if not one.gives_nothing}
    assert {"open": {"dask", "get", "post"}, "safe": {"foreign"}} == asyncio.run(try_schedulers())


def test_another_account_of_this_machine_gets_nothing(site: Site) -> None:
    workplace = site.place.workplace
    ports = ports_of(workplace)
    kept = [path for top in (workplace.home, workplace.temp) for path in top.rglob("*") if not path.is_symlink()]
    kept.append(workplace.path / f"{site.joined.name}.pem")

    tried = try_ports(ask_here, ports)

    assert len(ports) >= 8, ports  # two servers, two schedulers, two nodes, and the ways to two over ssh
    assert {port for _, port in ports} == {one.port for one in tried if one.is_there}
    assert [] == [one for one in tried if not one.gives_nothing]
    assert [] == try_sockets(ask_here, sockets_of(workplace))
    assert [] == try_files(ask_here, kept)
    assert 0o700 == stat.S_IMODE(workplace.home.stat().st_mode)
    secrets = [path for path in kept if path.suffix in (".pem", ".sock", ".log")]
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in secrets}


def test_another_account_of_a_host_gets_nothing(site: Site) -> None:
    for host in (site.reached, site.joined):
        ask = ask_on(host, STRANGER)
        ports = ports_on(host)

        tried = try_ports(ask, ports)

        assert set(ports) == {(one.host, one.port) for one in tried if one.is_there}
        assert [] == [one for one in tried if not one.gives_nothing]
        assert [] == try_sockets(ask, sockets_on(host))
        assert [] == try_files(ask, host.files())
    assert len(ports_on(site.reached)) >= 4  # two nodes, and the ways to two schedulers


def test_a_host_without_credentials_gets_nothing(site: Site) -> None:
    """Of all that listens it reaches two places, and so much as a word in neither."""
    machine = site.place.lab.address
    open_ports = {machine: ports_of(site.place.workplace)}
    open_ports |= {host.address: ports_on(host) for host in (site.reached, site.joined)}
    address, _, port = site.place.listens.rpartition(":")

    tried = try_ports(
        ask_on(site.foreign, STRANGER),
        [(host, port) for host, places in open_ports.items() for port in {port for _, port in places}],
    )

    assert [] == [one for one in tried if not one.gives_nothing]
    reached = {(one.host, one.port) for one in tried if one.is_there}
    known = {place for places in open_ports.values() for place in places if not ip_address(place[0]).is_loopback}
    assert known == reached
    assert (address, int(port)) in reached
    assert [machine, site.joined.address] == sorted(host for host, _ in reached)
