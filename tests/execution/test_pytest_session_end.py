"""A session that does not end as it should is told of, and no verdict is lost by it."""

from __future__ import annotations

from typing import Any

import pytest

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
