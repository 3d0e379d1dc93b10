"""A whole project on hosts that share nothing with this machine: all is as if it had run here, but for where it ran."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.lab import Lab
from tests.system.fleet_place import FleetPlace
from tests.system.workplace import Finished, Workplace

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
#: What the project's tests say of themselves; `screen`, `wrong`, one case and one item fail.
COUNTS = {"total": 17, "passed": 11, "failed": 4, "errors": 0, "skipped": 2, "flaky": 1}


@pytest.fixture
def place(workplace: Workplace, hosts: Lab) -> FleetPlace:
    workplace.environment |= hosts.environment
    return FleetPlace(workplace, hosts)


@pytest.fixture
def project(place: FleetPlace) -> Path:
    """The project, in a git work tree of its own."""
    copy = place.workplace.path / "project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "gitignore").rename(copy / ".gitignore")
    subprocess.run(["git", "init", "--quiet", copy], check=True)
    return copy


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


def test_all_is_as_if_it_had_run_here(place: FleetPlace, project: Path) -> None:
    first, second, third = place.lab(3)
    nodes = [{"id": host.name, "host": host.name, "joins": host is third} for host in place.lab.hosts]

    subprocess.run([sys.executable, "tools/make_environment.py"], cwd=project, check=True)
    here = _run(place, "here", "-n", "3")
    for name in MADE:
        shutil.rmtree(project / name)
    place.up(place.write_nodes(nodes, node_timeout=30, heartbeat_interval=2))
    joined = place.join(third, "--slots", "1")
    there = _run(place, "there")
    joined.send_signal(signal.SIGTERM)
    said = joined.communicate(timeout=60)
    down = place.workplace.run("down")

    for query in (VERDICTS, ATTEMPTS, ARTIFACTS):
        expected, found = (place.workplace.sql(query.format(run_id=run_id)) for run_id in ("here", "there"))
        assert expected == found
    assert ["listing", "screen", "unit::tests/test_prices.py::test_is_wrong"] == [row["test_id"] for row in found]
    counts = there.json["counts"]
    assert COUNTS == {name: counts[name] for name in COUNTS}
    assert here.json["counts"] == counts
    assert _read_cases(place.workplace.path / "here.xml") == _read_cases(place.workplace.path / "there.xml")
    started = [told["node_id"] for told in place.events("attempt_started", "there")]
    assert {first.name, second.name, third.name} == set(started)
    assert (0, 0) == (down.code, joined.returncode), said
    assert [] == [path for path in project.rglob("*") if path.name in MADE]
    assert "" == "\n".join(place.find_left())
