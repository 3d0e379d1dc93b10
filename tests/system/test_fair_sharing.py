"""A small run that begins in the middle of a large one, on the same nodes: neither waits for all of the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, finish, until

NODES = "nodes: [{id: one}, {id: two, max_concurrent_tests: 2}]\n"
SLOTS = {"one": 1, "two": 2}
LARGE, SMALL = 500, 20
ITEMS = "import time, pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_n(n): time.sleep(0.2)\n"
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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with open_workplace(tmp_path_factory.mktemp("fair")) as workplace:
        up = workplace.run("up", "--nodes", workplace.write("nodes.yaml", NODES))
        assert up.code == 0, up.err
        yield workplace
        assert workplace.run("down").code == 0


def _commands(place: Workplace, name: str, count: int) -> Path:
    tests = "".join(f"  - {{id: t{number}, command: [sleep, '0.2']}}\n" for number in range(count))
    return place.write(f"{name}.yaml", f"suite: {name}\ntests:\n{tests}")


def _items(place: Workplace, name: str, count: int) -> Path:
    return place.write(f"{name}/test_{name}.py", ITEMS.format(count=count)).parent


@pytest.mark.parametrize(("write", "kind"), [(_commands, "commands"), (_items, "items")], ids=["commands", "packs"])
def test_a_run_of_20_in_the_middle_of_one_of_500_is_not_behind_it(place: Workplace, write: object, kind: str) -> None:
    assert callable(write)
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
