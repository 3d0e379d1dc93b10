"""A session that does not end as it should is told of, and no verdict is lost by it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pulseq.models import AttemptResult
from pulseq.pytest_sessions import PytestOrder

TESTS = {"test_a.py": "def test_a(): pass\ndef test_b(): pass\n"}
WORKER_ENDS_BADLY = """
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        raise RuntimeError("two handles were left")
"""
CONTROLLER_DIES = """
import os
def pytest_{hook}({arguments}):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os._exit(9)
"""


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_a_worker_whose_session_ends_by_an_error_fails_the_session(isolation: str, suite: Any) -> None:
    run = suite({**TESTS, "conftest.py": WORKER_ENDS_BADLY}).run(isolation=isolation)

    assert run.verdicts() == {"test_a": "passed", "test_b": "passed"}
    assert "two handles were left" in run.ended.error


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
@pytest.mark.parametrize(
    ("hook", "arguments"), [("sessionfinish", "session"), ("unconfigure", "config"), ("runtest_logreport", "report")]
)
def test_a_controller_that_dies_takes_no_verdict_along(isolation: str, hook: str, arguments: str, suite: Any) -> None:
    conftest = CONTROLLER_DIES.format(hook=hook, arguments=arguments)

    run = suite({**TESTS, "conftest.py": conftest}).run(isolation=isolation, pack=1)

    assert run.verdicts() == {"test_a": "passed", "test_b": "passed"}
    assert "controller ended before it (exit code 9)" in run.ended.error


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_what_failed_and_passed_when_it_was_tried_again_is_no_failure_of_the_session(
    isolation: str, suite: Any
) -> None:
    body = """
        import os
        def test_flaky(): assert os.environ["PULSEQ_ATTEMPT"] == "2"
    """

    async def try_twice() -> tuple[list[str], Any]:
        results: list[AttemptResult] = []
        session = suite({"test_a.py": body}).session(isolation=isolation)
        try:
            (item,) = (await session.collect()).items
            for attempt in (1, 2):
                order = PytestOrder(item.nodeid, "", item.nodeid, attempt)
                await session.run_items([order], on_start=lambda _: None, on_result=results.append, fresh=attempt > 1)
            return [result.status for result in results], await session.finish()
        finally:
            await session.close()

    statuses, ended = asyncio.run(try_twice())
    assert ["failed", "passed"] == statuses
    assert (0, None) == (ended.exit_status, ended.error)


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_pytests_list_of_what_failed_last_forgets_what_passes(isolation: str, suite: Any) -> None:
    cached = '{"test_a.py::test_a": true, "test_gone.py::test_x": true}'
    folder = suite({**TESTS, ".pytest_cache/v/cache/lastfailed": cached, "pytest.ini": "[pytest]\n"})
    folder.run(isolation=isolation, args=("-p", "cacheprovider"))
    left = (folder.path / ".pytest_cache" / "v" / "cache" / "lastfailed").read_text()
    assert "test_a.py::test_a" not in left
    assert "test_gone.py::test_x" in left
