"""Links, hosts and connections break in the middle of a run over several machines: every verdict is there, once."""

from __future__ import annotations

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
    tests = "".join(f"  - {{id: t{number}, command: [sleep, '3']}}\n" for number in range(TESTS))
    place.workplace.write("suite.yaml", f"suite: faults\ndefaults: {{cwd: /}}\ntests:\n{tests}")
    return "suite.yaml"


def _wait_until(moment: float) -> None:
    # A fault lasts for as long as it does: there is nothing else to wait for.
    until(lambda: time.monotonic() >= moment, "time goes on")


def test_every_verdict_is_there_once_whatever_befalls_the_hosts(place: FleetPlace, prefect_api: str) -> None:
    briefly_cut, long_cut, without_sshd, frozen = place.lab(4)
    names = [host.name for host in place.lab.hosts]
    nodes = place.write_nodes(
        [{"id": name, "host": name, "max_concurrent_tests": 2} for name in names],
        node_timeout=NODE_TIMEOUT,
        heartbeat_interval=1,
    )
    run = place.workplace.start("run", _write_suite(place), "--nodes", nodes, "--run-id", RUN)
    until(lambda: all(len(place.starts(name)) > 2 for name in names), "all hosts run tests")

    began = time.monotonic()
    briefly_cut.cut()
    long_cut.cut()
    frozen.freeze()
    without_sshd.kill_sshd()
    _wait_until(began + SHORT_CUT_SECONDS)
    briefly_cut.heal()
    without_sshd.start_sshd()
    _wait_until(began + 2 * NODE_TIMEOUT)
    long_cut.heal()
    frozen.thaw()
    before = {name: len(place.starts(name)) for name in names}
    until(lambda: all(len(place.starts(name)) > before[name] for name in names), "all hosts run tests again")
    ended = finish(run)

    assert ended.code == 0, ended.err
    assert Counter(passed=TESTS) == Counter(told["status"] for told in place.events("test_closed"))
    moved = {name: len(place.lost(name)) for name in names}
    assert {name: min(count, 1) for name, count in moved.items()} == {
        name: int(name != briefly_cut.name) for name in names
    }
    assert max(moved.values()) <= 2  # what ran there, and nothing that had ended
    assert [] == find_broken_promises(place.workplace, RUN, prefect_api)
    assert [] == place.find_left()
