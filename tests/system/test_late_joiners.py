"""Nodes that come while a run goes on get work at once: here nothing would ever end otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pulseq.distributed import DistributedTestRunner, NodeManager, TestNode, TestResults, TestScheduler
from tests.system.workplace import PATIENCE_SECONDS

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

#: Each says where it runs, and ends when one has said so on the second node.
BODY = """
import os, pathlib, time
here = pathlib.Path({place!r})

def wait():
    (here / os.environ["PULSEQ_NODE_ID"]).touch()
    while not (here / "second").exists():
        time.sleep(0.01)
"""
ITEMS = BODY + "\nimport pytest\n\n@pytest.mark.parametrize('n', range(30))\ndef test_n(n):\n    wait()\n"


@pytest.fixture
def place(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.py").write_text(BODY.format(place=str(tmp_path)))
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "test_items.py").write_text(ITEMS.format(place=str(tmp_path)))
    return tmp_path


@asynccontextmanager
async def _first_at_work(
    place: Path, tests: list[dict[str, Any]]
) -> AsyncIterator[tuple[DistributedTestRunner, Awaitable[TestResults]]]:
    """A run whose only node is at its first test, and what will come of it."""
    async with DistributedTestRunner() as runner:
        scheduler = TestScheduler()
        await runner.add_node(TestNode("first", max_concurrent_tests=1))
        for test in tests:
            await scheduler.schedule_test(test)
        running = asyncio.create_task(runner.run_tests())
        await _until((place / "first").exists)
        yield runner, running


async def _until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not question():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "tests",
    [
        pytest.param(
            [{"id": f"t{number}", "call": "body:wait", "duration": 0.01} for number in range(20)],
            id="short ones that are sent ahead",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            [{"id": f"t{number}", "call": "body:wait"} for number in range(3)],
            id="a few of which nothing is known",
            marks=pytest.mark.slow,
        ),
        pytest.param([{"id": "unit", "pytest": "items"}], id="a pack that has begun"),
    ],
)
def test_a_node_that_joins_gets_what_the_first_one_has_not_begun(place: Path, tests: list[dict[str, Any]]) -> None:
    async def run() -> TestResults:
        async with _first_at_work(place, tests) as (runner, running):
            await runner.add_node(TestNode("second", max_concurrent_tests=1))
            return await running

    results = asyncio.run(run())

    assert {"passed"} == {result.status for result in results}
    assert {"first", "second"} == {result.node_id for result in results}


@pytest.mark.slow
def test_a_node_that_a_manager_opens_gets_what_another_one_has_not_begun(place: Path) -> None:
    async def run() -> tuple[TestResults, list[str], list[str]]:
        manager = NodeManager()
        async with DistributedTestRunner() as runner:
            scheduler = TestScheduler()
            for name in ("first", "second"):
                await runner.add_node(TestNode(name, max_concurrent_tests=1))
            await manager.drain("second", why="firmware")
            for number in range(8):
                await scheduler.schedule_test({"id": f"t{number}", "call": "body:wait"})
            closed = [node.id for node in manager.get_available_nodes()]
            running = asyncio.create_task(runner.run_tests())
            await _until((place / "first").exists)
            await manager.undrain("second")
            return await running, closed, [node.id for node in manager.get_available_nodes()]

    results, closed, opened = asyncio.run(run())

    assert (["first"], ["first", "second"]) == (closed, opened)
    assert {"first", "second"} == {result.node_id for result in results}
