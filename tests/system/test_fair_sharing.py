"""A small run that begins in the middle of a large one, on the same nodes: neither waits for all of the other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.hosts.lab import open_lab
from tests.hosts.needs import find_missing
from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, finish, until

SLOTS = {"one": 1, "two": 2}
LARGE, SMALL = 500, 20
ITEMS = "import time, pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_n(n): time.sleep(0.15)\n"
#: How many attempts a node has at most at a time, all runs together. Start and length are of two clocks, one of
#: which may be slewed: what ends 5 ms after the next has begun does not count.
AT_ONCE = """
WITH steps AS (
    SELECT node_id, started_at AS moment, 1 AS step FROM attempts WHERE run_id IN ('{small}', '{large}')
    UNION ALL
    SELECT node_id, started_at + to_microseconds((duration * 1e6)::BIGINT - 5000), -1 FROM attempts
    WHERE run_id IN ('{small}', '{large}')
)
SELECT node_id, max(used)::INTEGER AS most
FROM (SELECT node_id, sum(step) OVER (PARTITION BY node_id ORDER BY moment, step) AS used FROM steps)
GROUP BY node_id
"""
#: What the large run began while the small one had tests at work, and after that.
AROUND = """
WITH small AS (
    SELECT min(started_at) AS began, max(started_at + to_microseconds((duration * 1e6)::BIGINT)) AS ended
    FROM attempts WHERE run_id = '{small}'
)
SELECT
    count(*) FILTER (started_at BETWEEN began AND ended)::INTEGER AS meanwhile,
    count(*) FILTER (started_at > ended)::INTEGER AS later
FROM attempts, small WHERE run_id = '{large}'
"""


@contextlib.contextmanager
def _up(path: Path, hosts: Mapping[str, str], **environment: str) -> Iterator[Workplace]:
    """A standing fleet of two nodes on these hosts."""
    nodes = [{"id": name, "host": hosts[name], "max_concurrent_tests": slots} for name, slots in SLOTS.items()]
    with open_workplace(path) as workplace:
        workplace.environment |= environment
        up = workplace.run("up", "--nodes", workplace.write("nodes.yaml", json.dumps({"nodes": nodes})))
        assert up.code == 0, up.err
        yield workplace
        assert workplace.run("down").code == 0


@pytest.fixture
def local_nodes(tmp_path: Path, prefect_api: str) -> Iterator[Workplace]:
    with _up(tmp_path / "place", dict.fromkeys(SLOTS, "localhost"), PREFECT_API_URL=prefect_api) as workplace:
        yield workplace


@pytest.fixture
def nodes_elsewhere(request: pytest.FixtureRequest, tmp_path: Path, prefect_api: str) -> Iterator[Workplace]:
    """On other hosts, where this machine makes some: the way of each test is longer, and the promise the same."""
    if find_missing():
        yield request.getfixturevalue("local_nodes")
        return
    with open_lab(tmp_path / "lab") as lab:
        hosts = {name: lab.open_host(name).name for name in SLOTS}
        with _up(tmp_path / "place", hosts, **lab.environment, PREFECT_API_URL=prefect_api) as workplace:
            yield workplace


def _commands(place: Workplace, name: str, count: int) -> Path:
    tests = "".join(f"  - {{id: t{number}, command: [sleep, '0.1']}}\n" for number in range(count))
    return place.write(f"{name}/suite.yaml", f"suite: {name}\ntests:\n{tests}")


def _items(place: Workplace, name: str, count: int) -> Path:
    return place.write(f"{name}/test_{name}.py", ITEMS.format(count=count)).parent


@pytest.mark.parametrize(
    ("write", "nodes"),
    [
        pytest.param(_commands, "nodes_elsewhere", id="commands", marks=pytest.mark.hosts),
        pytest.param(_items, "local_nodes", id="packs", marks=pytest.mark.slow),
    ],
)
def test_a_run_of_20_in_the_middle_of_one_of_500_is_not_behind_it(
    write: Callable[[Workplace, str, int], Path], nodes: str, request: pytest.FixtureRequest
) -> None:
    place: Workplace = request.getfixturevalue(nodes)
    kind = write.__name__.strip("_")
    suites = {name: write(place, f"{kind}_{name}", count) for name, count in (("large", LARGE), ("small", SMALL))}
    names = {name: f"{kind}-{name}" for name in suites}
    large = place.start("run", suites["large"], "--run-id", names["large"])
    until(
        lambda: 10 < sum(line["kind"] == "test_closed" for line in place.journal(names["large"])),
        "the large run is in its middle",
    )

    small = place.run("run", suites["small"], "--run-id", names["small"])
    ended = finish(large)

    assert (0, 0) == (small.code, ended.code), small.err + ended.err
    (around,) = place.sql(AROUND.format(**names))
    # In turns it would have begun as many as the small one; it has more where a slot of the small one is idle.
    assert around["meanwhile"] < 3 * SMALL
    assert around["later"] > 0
    at_once = {row["node_id"]: row["most"] for row in place.sql(AT_ONCE.format(**names))}
    assert all(most <= SLOTS[node] for node, most in at_once.items()), at_once
