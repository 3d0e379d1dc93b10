"""Bodies run as a node runs them: through an executor, its launcher and a keeper, all of them real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulseq.execution.executor import Executor
from pulseq.models import AttemptOrder, AttemptResult, Body, TestCase

RunBody = Callable[..., AttemptResult]


@pytest.fixture
def run_body(tmp_path: Path) -> RunBody:
    """`run_body(body, timeout=…, **fields of the test case)` is the result of one attempt of it."""
    cwd = tmp_path / "cwd"
    cwd.mkdir()

    def run(body: Body, *, timeout: float | None = 30, run_id: str = "run", attempt: int = 1, **fields: Any) -> Any:
        test = TestCase(body=body, **{"id": "test", "cwd": str(cwd), **fields})

        async def main() -> AttemptResult:
            executor = Executor(node_id="node1", temp_root=tmp_path / "temp")
            await executor.start()
            try:
                running = await executor.start_attempt(AttemptOrder(run_id, test, attempt, timeout))
                return await running.result()
            finally:
                await executor.close()

        result = asyncio.run(main())
        assert list((tmp_path / "temp").iterdir()) == []
        return result

    return run


@pytest.fixture
def verdict() -> Callable[[AttemptResult], tuple[str, str | None]]:
    """Status and reason of a result, as words."""
    return lambda result: (str(result.status), result.reason and str(result.reason))


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process runs, sleeps or is stopped; a zombie does none of it."""

    def check(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return check


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition, seconds)` polls a condition; its first true value."""

    def wait(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, "it did not come to be in time"
            time.sleep(0.01)
        return value

    return wait
