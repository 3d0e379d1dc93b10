"""`pytest_handlecrashitem`, as pytest-xdist has it: who has it hears of each crash, and may have the item again."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.models import Reason, Status

#: Crashes until the file `tries` has so many bytes.
CRASHES = """
import os
def test_before(): pass
def test_crash():
    with open("tries", "a") as file: file.write("x")
    if os.path.getsize("tries") <= {times}: os._exit(3)
def test_after(): pass
"""
HEARS = """
def pytest_handlecrashitem(crashitem, report, sched):
    with open("log", "a") as log:
        print(crashitem, report.outcome, report.node.gateway.id, sched.config.option.numprocesses, file=log)
"""
HAS_AGAIN = """
def pytest_handlecrashitem(crashitem, report, sched):
    sched.mark_test_pending(crashitem)
    report.outcome = "rerun"
"""


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_a_hook_hears_of_an_item_that_ended_its_worker(isolation: str, suite: Any) -> None:
    folder = suite({"conftest.py": HEARS, "test_a.py": CRASHES.format(times=1)})
    run = folder.run(isolation=isolation)
    assert run.verdicts() == {"test_before": "passed", "test_crash": "error", "test_after": "passed"}
    assert folder.log() == ["test_a.py::test_crash failed gw0 1"]


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_an_item_that_a_hook_marks_as_pending_runs_again(isolation: str, suite: Any) -> None:
    run = suite({"conftest.py": HAS_AGAIN, "test_a.py": CRASHES.format(times=2)}).run(isolation=isolation)
    tries = [result for result in run.results if result.test_id.endswith("test_crash")]
    assert [(one.attempt, one.status, one.reason, one.rerun) for one in tries] == [
        (1, Status.ERROR, Reason.CRASH, True),
        (2, Status.ERROR, Reason.CRASH, True),
        (3, Status.PASSED, None, False),
    ]
    assert run.started == ["test_a.py::test_before", "test_a.py::test_crash", "test_a.py::test_after"]
    assert (run.ended.exit_status, run.ended.error) == (0, None)
