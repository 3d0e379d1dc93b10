"""A host that has no space on its disk, in the middle of a run: others do its work, until it has some again."""

from __future__ import annotations

import pytest

from tests.hosts.host import Host
from tests.hosts.lab import Lab
from tests.system.fleet_place import RUN, FleetPlace
from tests.system.workplace import Workplace, finish, until

SUITE = "".join(
    f"  - {{id: t{number}, command: 'test -e /tmp/quick || sleep 0.5', shell: true}}\n" for number in range(200)
)


@pytest.fixture
def place(workplace: Workplace, hosts: Lab) -> FleetPlace:
    workplace.environment |= hosts.environment
    return FleetPlace(workplace, hosts)


def _fill(host: Host) -> None:
    host.run(["dd", "if=/dev/zero", "of=/tmp/fill", "bs=64k", "status=none"])


@pytest.mark.slow
def test_a_host_without_space_gets_no_tests_until_it_has_some(place: FleetPlace) -> None:
    small, well = place.lab.open_host("small", size="120M"), place.lab.open_host("well")
    place.up(place.write_nodes([{"id": host.name, "host": host.name} for host in (small, well)], heartbeat_interval=1))
    run = place.workplace.start("run", place.write_suite(f"suite: full\ntests:\n{SUITE}"), "--run-id", RUN)
    until(lambda: all(len(place.starts(host.name)) > 1 for host in (small, well)), "both run tests")

    _fill(small)
    until(lambda: _notes(place), "the run says so")
    listed = place.workplace.run("node", "list")
    had = {host.name: len(place.starts(host.name)) for host in (small, well)}
    until(lambda: len(place.starts("well")) > had["well"] + 3, "the other one goes on")
    had_while_full = len(place.starts("small"))
    small.path("/tmp/fill").unlink()
    until(lambda: len(place.starts("small")) > had_while_full, "it runs tests again")
    for host in (small, well):
        host.write("/tmp/quick", "")
    ended = finish(run)
    down = place.workplace.run("down")

    assert (0, 0) == (ended.code, down.code), (ended.err, down.err)
    assert had["small"] == had_while_full
    assert [] == place.lost("small")
    told, again = _notes(place)
    assert told.startswith("node small gets no tests: the disk of its machine is full, at /tmp/pulseq-")
    assert "node small gets tests again" == again
    assert f"      {told.removeprefix('node small ')}" in listed.out


def _notes(place: FleetPlace) -> list[str]:
    return [told["text"] for told in place.events("run_note") if told["text"].startswith("node small gets ")]
