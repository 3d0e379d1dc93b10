"""A whole project on hosts that share nothing with this machine: all is as if it had run here, but for where it ran."""

from __future__ import annotations

import re
import shutil
import signal
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.lab import Lab
from tests.system.fleet_place import KEPT, FleetPlace, HostWorkplace
from tests.system.workplace import Finished

PROJECT = Path(__file__).with_name("fleet_project")
#: Everything that tells of a verdict, and nothing of when and where.
VERDICTS = """
select test_id, variant, name, body, status, reason, flaky, attempts, priority, simulated, error,
       list_sort(map_keys(metrics)) as metrics, metrics['price'] as price, metrics['lines'] as lines
from results where run_id = '{run_id}' order by test_id, variant
"""
ATTEMPTS = """
select test_id, attempt, status, reason, exit_code, signal, output
from attempts where run_id = '{run_id}' order by test_id, attempt
"""
ARTIFACTS = """
select * exclude (run_id, node_id, path) from artifacts where run_id = '{run_id}' order by test_id
"""
#: What its tests and its preparation make in it.
MADE = (".venv", "out", "build", "written")
#: What a driver has besides what hosts keep: what its user named, and what spares the next run time.
OF_DRIVER = re.compile(rf"{KEPT.pattern}|/home/tester/(place(/.*)?|\.prefect|\.cache/pulseq/prefect-[^/]*\.db)")
#: What the project's tests say of themselves; `screen`, `wrong`, one case and one item fail.
COUNTS = {"total": 17, "passed": 11, "failed": 4, "errors": 0, "skipped": 2, "flaky": 1}


@pytest.fixture
def place(hosts: Lab) -> FleetPlace:
    """The driver is a host of its own, too."""
    driver = hosts.open_host("driver")
    return FleetPlace(HostWorkplace.on(driver), hosts)


def _make_project(place: HostWorkplace) -> None:
    """The project, in a git work tree of its own."""
    script = f"cp -r {PROJECT} project && cd project && mv gitignore .gitignore && git init --quiet"
    made = place.host.run(["sh", "-c", f"{script} && python3 tools/make_environment.py"], cwd=place.there)
    assert made.returncode == 0, made.stderr


def _run(place: FleetPlace, run_id: str, *where: str) -> Finished:
    ended = place.workplace.run(
        *("run", "project/suite.yaml", "--run-id", run_id, "--output", "json"),
        *("--junitxml", f"{run_id}.xml", "--html", f"{run_id}.html"),
        *where,
    )
    assert ended.code == 1, ended.err
    return ended


def _read_cases(path: Path) -> list[tuple[Any, ...]]:
    """What a JUnit file says of each test, without times, hosts and runs."""
    return sorted(
        (
            case.get("classname"),
            case.get("name"),
            case.get("file"),
            *((child.tag, child.get("message"), child.get("type")) for child in case if child.tag != "properties"),
        )
        for case in ET.parse(path).iter("testcase")
    )


def test_all_is_as_if_it_had_run_here(place: FleetPlace) -> None:
    driver = place.workplace
    assert isinstance(driver, HostWorkplace)
    first, second, third = place.lab(3)
    _make_project(driver)
    place.up(place.write_nodes([{"id": host.name, "host": host.name} for host in (first, second)], node_timeout=30))

    here = _run(place, "here", "-n", "3")
    for name in MADE:
        shutil.rmtree(driver.path / "project" / name)
    joined = place.join(third, "--slots", "1")
    there = _run(place, "there")
    joined.send_signal(signal.SIGTERM)
    said = joined.communicate(timeout=60)
    down = driver.run("down")

    for query in (VERDICTS, ATTEMPTS, ARTIFACTS):
        expected, found = (driver.sql(query.format(run_id=run_id)) for run_id in ("here", "there"))
        assert expected == found
    assert ["listing", "screen", "unit::tests/test_prices.py::test_is_wrong"] == [row["test_id"] for row in found]
    counts = there.json["counts"]
    assert COUNTS == {name: counts[name] for name in COUNTS}
    assert here.json["counts"] == counts
    assert _read_cases(driver.path / "here.xml") == _read_cases(driver.path / "there.xml")
    started = [told["node_id"] for told in place.events("attempt_started", "there")]
    assert {first.name, second.name, third.name} == set(started)
    assert (0, 0) == (down.code, joined.returncode), said
    assert [] == [path for path in (driver.path / "project").rglob("*") if path.name in MADE]
    assert [] == place.find_left([first, second, third])
    assert [] == driver.host.describe_processes()
    assert [] == [path for path in driver.host.files() if not OF_DRIVER.fullmatch(path)]
