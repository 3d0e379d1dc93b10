"""Links, hosts and connections break in the middle of a run over several machines: every verdict is there, once."""

from __future__ import annotations

import signal
import time
from collections import Counter

import pytest

from tests.hosts.lab import Lab
from tests.system.chaos_check import find_broken_promises
from tests.system.fleet_place import RUN, FleetPlace
from tests.system.workplace import Workplace, finish, until

TESTS = 200
SHORT_CUT_SECONDS = 10
#: What was sent into a cut link is sent again after twice as long each time, so it is heard at the latest after twice
#: the cut: less than this.
NODE_TIMEOUT = 24


@pytest.fixture
def place(workplace: Workplace, hosts: Lab) -> FleetPlace:
    workplace.environment |= hosts.environment
    return FleetPlace(workplace, hosts)


def _write_suite(place: FleetPlace) -> str:
    tests = "".join(f"  - {{id: t{number}, command: [sleep, '2']}}\n" for number in range(TESTS))
    return place.write_suite(f"suite: faults\ntests:\n{tests}")


def _wait_until(moment: float) -> None:
    # A fault lasts for as long as it does: there is nothing else to wait for.
    until(lambda: time.monotonic() >= moment, "time goes on")


def test_every_verdict_is_there_once_whatever_befalls_the_hosts(place: FleetPlace, prefect_api: str) -> None:
    briefly_cut, long_cut, without_sshd, frozen, drained, added = place.lab(6)
    began_on = [host.name for host in place.lab.hosts if host is not added]
    nodes = [{"id": name, "host": name, "max_concurrent_tests": 2} for name in began_on]
    place.up(place.write_nodes(nodes, node_timeout=NODE_TIMEOUT, heartbeat_interval=1))
    run = place.workplace.start("run", _write_suite(place), "--run-id", RUN)
    until(lambda: all(len(place.starts(name)) > 2 for name in began_on), "all hosts run tests")

    began = time.monotonic()
    briefly_cut.cut()
    long_cut.cut()
    frozen.freeze()
    without_sshd.kill_sshd()
    marked = place.workplace.run("node", "drain", drained.name, "--why", "new firmware")
    assert 0 == marked.code, marked.err
    joined = place.join(added, "--slots", "2")
    _wait_until(began + SHORT_CUT_SECONDS)
    briefly_cut.heal()
    without_sshd.start_sshd()
    had_drained = len(place.starts(drained.name))
    _wait_until(began + 2 * NODE_TIMEOUT)
    long_cut.heal()
    frozen.thaw()
    again = [host.name for host in place.lab.hosts if host is not drained]
    before = {name: len(place.starts(name)) for name in again}
    until(lambda: all(len(place.starts(name)) > before[name] for name in again), "all others run tests again")
    ended = finish(run)
    down = place.workplace.run("down")
    joined.send_signal(signal.SIGTERM)
    joined.communicate(timeout=60)

    assert (0, 0) == (ended.code, down.code), (ended.err, down.err)
    assert Counter(passed=TESTS) == Counter(told["status"] for told in place.events("test_closed"))
    moved = {host.name: len(place.lost(host.name)) for host in place.lab.hosts}
    assert {name for name, count in moved.items() if count} == {long_cut.name, without_sshd.name, frozen.name}
    assert max(moved.values()) <= 2  # what ran there, and nothing that had ended
    assert had_drained == len(place.starts(drained.name))
    assert [] == find_broken_promises(place.workplace, RUN, prefect_api)
    assert "" == "\n".join(place.find_left())
