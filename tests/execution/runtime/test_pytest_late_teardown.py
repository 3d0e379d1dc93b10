"""Fixtures that are torn down when a session ends at last are heard as in any other teardown."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from pulseq.models import AttemptResult, Reason, Status
from pulseq.pytest_sessions import Following

MORE = Following(more=True)

LATE = """
    import logging, os, threading, warnings, pytest
    @pytest.fixture(scope="session")
    def wide():
        yield
        {end}
    def test_it(wide): pass
"""


def ended(suite: Any, end: str, *args: str, **files: str) -> tuple[Any, list[AttemptResult]]:
    """A suite whose slot does not know that nothing more comes, and what was told of its test at last."""
    folder = suite({"test_it.py": textwrap.dedent(LATE).format(end=end), **files})
    run = folder.run(after=MORE, args=args)
    assert [Status.PASSED] == [result.status for result in run.results], run.results
    return run, run.late


def test_what_is_warned_of_is_recorded(suite: Any) -> None:
    _, (late,) = ended(suite, "warnings.warn('old')")

    assert (late.status, late.reason) == (Status.PASSED, None)
    assert [("UserWarning", "old", "runtest")] == [
        (one.category, one.message, one.when) for one in late.pytest_warnings
    ]


def test_what_is_warned_of_is_an_error_where_the_suite_wants_that(suite: Any) -> None:
    run, (late,) = ended(suite, "warnings.warn('old')", "-W", "error:old")

    assert (late.status, late.reason, late.short) == (Status.ERROR, Reason.SETUP, "UserWarning: old")
    assert "pytest_late_teardown" not in (late.error or "")
    assert run.ended.exit_status == 1


def test_what_a_thread_raises_is_warned_of(suite: Any) -> None:
    raising = "thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()"
    _, (late,) = ended(suite, raising)

    assert ["PytestUnhandledThreadExceptionWarning"] == [one.category for one in late.pytest_warnings]


def test_warnings_are_not_recorded_where_the_suite_does_not_want_that(suite: Any) -> None:
    _, late = ended(suite, "warnings.warn('old')", "-p", "no:warnings")

    assert [] == [warning for result in late for warning in result.pytest_warnings]


@pytest.mark.parametrize("args", [(), ("-s",)])
def test_what_is_said_is_in_the_output(suite: Any, args: tuple[str, ...]) -> None:
    _, (late,) = ended(suite, "print('printed'); os.system('echo by a child'); logging.warning('logged')", *args)

    assert (late.status, late.output.count("printed"), late.output.count("by a child")) == (Status.PASSED, 1, 1)
    assert late.output_bytes >= len(late.output)
    assert args or "logged" in late.output


def test_a_fixture_that_skips_skips_its_last_item(suite: Any) -> None:
    run, (late,) = ended(suite, "pytest.skip('nothing to undo')")

    assert (late.status, late.reason, late.error) == (Status.SKIPPED, Reason.SKIP, "nothing to undo")
    assert run.ended.exit_status == 0


HEARING = """
    import os
    def note(text):
        if "PYTEST_XDIST_WORKER" not in os.environ:
            open("log", "a").write(text + "\\n")
    def pytest_runtest_logreport(report): note(f"{report.when} {report.outcome}")
    def pytest_runtest_logfinish(nodeid): note("finished")
"""


@pytest.mark.parametrize("end", ["pass", "1 / 0", "pytest.skip()"])
def test_the_controllers_plug_ins_hear_of_one_teardown(suite: Any, end: str) -> None:
    folder = suite({"test_it.py": textwrap.dedent(LATE).format(end=end), "conftest.py": HEARING})

    folder.run(after=MORE)

    outcome = {"pass": "passed", "1 / 0": "failed", "pytest.skip()": "skipped"}[end]
    assert ["setup passed", "call passed", f"teardown {outcome}", "finished"] == folder.log()


def test_the_controllers_plug_ins_hear_of_teardowns_in_the_order_of_items(suite: Any) -> None:
    files = {"test_a.py": "def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pass\n", "conftest.py": HEARING}
    folder = suite(files)

    folder.run(pack=1, after=MORE)

    one = ["setup passed", "call passed", "teardown passed", "finished"]
    assert [*one, *(text.replace("call passed", "call failed") for text in one), *one] == folder.log()
