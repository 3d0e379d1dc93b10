"""Slots that are idle get what busy ones have not begun: here nothing would ever end otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.chaos_check import find_broken_promises
from tests.system.workplace import Workplace, until

#: The first item ends only when the third has run, which another slot must have taken over. The second stays where
#: it is: pytest was told with the first item that it comes next.
PACK = """
import os, time, pytest
FLAG = {flag!r}

def test_first():
    while not os.path.exists(FLAG):
        time.sleep(0.01)

def test_next():
    pass

def test_third():
    open(FLAG, "w").close()

@pytest.mark.parametrize("n", range(8))
def test_other(n):
    time.sleep(0.2)
"""

#: The other slot runs out of items before it takes over others.
SHORT = "def test_short(): pass\n"
CONFTEST = """
import os, pytest

@pytest.fixture(scope="session", autouse=True)
def database():
    for step in ("up", "down"):
        with open({log!r}, "a") as log:
            log.write(f"{{step}} {{os.getpid()}}\\n")
        if step == "up":
            yield
"""


@pytest.mark.parametrize(
    "fleet",
    [
        "nodes: [{id: n0}, {id: n1}]",
        pytest.param("nodes: [{id: n0, max_concurrent_tests: 2}]", marks=pytest.mark.slow),
    ],
)
def test_the_rest_of_a_pack_that_runs_goes_to_an_idle_slot(
    workplace: Workplace, prefect_api: str, fleet: str, tmp_path: Path
) -> None:
    workplace.write("tests/test_pack.py", PACK.format(flag=str(tmp_path / "flag")))
    workplace.write("tests/test_short.py", SHORT)
    workplace.write("tests/conftest.py", CONFTEST.format(log=str(tmp_path / "log")))
    nodes = workplace.write("nodes.yaml", fleet)

    run = workplace.run("run", "tests", "--nodes", nodes, "--run-id", "steal", "--output", "json", "--timeout", "90")

    assert run.code == 0, run.err
    assert run.json["counts"]["passed"] == 12
    assert find_broken_promises(workplace, "steal", prefect_api) == []
    steps = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    sessions = {pid for _, pid in steps}
    assert len(sessions) >= 2
    assert sorted(steps) == sorted([step, pid] for step in ("up", "down") for pid in sessions)
    first, third = workplace.sql(
        "select task_run_id from attempts where test_id similar to '.*test_(first|third)' order by test_id"
    )
    assert first != third
    until(
        lambda: (_message(prefect_api, first["task_run_id"]) or "").startswith("2 of "),
        "the first pack says that it ran two tests of those it was made for",
    )


def _message(api: str, task_run_id: str) -> str | None:
    answer: dict[str, Any] = httpx.get(f"{api}/task_runs/{task_run_id}").raise_for_status().json()
    message: str | None = answer["state"]["message"]
    return message
