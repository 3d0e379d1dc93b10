"""In the controller plug-ins are what they are beside workers, and have the last word on the session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pulseq.pytest_sessions import PytestOrder, SessionResult

ISOLATIONS = ("fork", "interpreter")
PLAIN = "def test_a(): pass\n"
End = Callable[..., SessionResult]


@pytest.fixture
def end(suite: Any) -> End:
    """`end(files, isolation)` runs all of a suite on one slot; what the session came to."""

    async def whole(session: Any) -> Any:
        try:
            collection = await session.collect()
            assert collection.usage_error is None
            orders = [PytestOrder(item.nodeid, "", item.nodeid) for item in collection.items]
            await session.run_items(orders, on_start=lambda order: None, on_result=lambda result: None)
            return await session.finish()
        finally:
            await session.close()

    def run(files: dict[str, str], isolation: str = "fork", **more: Any) -> SessionResult:
        result = asyncio.run(whole(suite(files).session(isolation=isolation, **more)))
        assert isinstance(result, SessionResult)
        return result

    return run


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_session_without_trouble_ends_with_pytests_own_status(isolation: str, end: End) -> None:
    assert SessionResult(0) == end({"test_a.py": PLAIN}, isolation)
    assert SessionResult(1) == end({"test_a.py": "def test_a(): assert 0\n"}, isolation)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_plug_in_has_the_last_word_on_the_status(isolation: str, end: End) -> None:
    conftest = """
        import os
        def pytest_sessionfinish(session):
            if not hasattr(session.config, "workerinput"):
                session.exitstatus = 7
        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_line("coverage is 3 %")
    """
    result = end({"conftest.py": conftest, "test_a.py": PLAIN}, isolation)
    assert (7, "coverage is 3 %") == (result.exit_status, result.summary.strip())
    assert "pytest ended with exit status 7 although no test failed\ncoverage is 3 %" == result.error


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_goes_to_each_node_and_comes_back_is_in_order(isolation: str, suite: Any) -> None:
    conftest = """
        import os
        def note(text):
            with open("log", "a") as log: log.write(text + "\\n")
        def pytest_configure_node(node):
            node.workerinput["port"] = ("port", 7000)
            note(f"configure {node.gateway.id}")
        def pytest_testnodeready(node): note(f"ready {node.gateway.id}")
        def pytest_testnodedown(node, error): note(f"down {node.gateway.id} {error} {node.workeroutput['used']}")
        def pytest_sessionfinish(session):
            if hasattr(session.config, "workerinput"):
                session.config.workeroutput["used"] = session.config.workerinput["port"]
            else:
                note("finish")
    """
    folder = suite({"conftest.py": conftest, "test_a.py": PLAIN})
    run = folder.run(isolation=isolation)
    assert {"test_a": "passed"} == run.verdicts()
    assert ["configure gw0", "ready gw0", "down gw0 None ('port', 7000)", "finish"] == folder.log()


def test_plug_ins_see_a_session_that_is_distributed(suite: Any) -> None:
    conftest = """
        def pytest_sessionstart(session):
            option = session.config.option
            if not hasattr(session.config, "workerinput"):
                open("log", "w").write(f"{option.numprocesses} {option.dist} {option.tx}\\n")
    """
    folder = suite({"conftest.py": conftest, "test_a.py": PLAIN})
    run = folder.run(slots=2)
    assert run.collection.usage_error is None
    assert ["2 load []"] == folder.log()


def test_a_plug_in_that_fails_at_the_end_is_trouble_of_the_session(end: End) -> None:
    conftest = """
        def pytest_sessionfinish(session):
            if not hasattr(session.config, "workerinput"):
                raise RuntimeError("the report cannot be written")
    """
    result = end({"conftest.py": conftest, "test_a.py": PLAIN})
    assert 0 != result.exit_status
    assert "RuntimeError: the report cannot be written" in (result.error or "")


def test_an_error_before_workers_are_taken_in_is_told(suite: Any) -> None:
    conftest = """
        import pytest
        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionstart(session):
            if not hasattr(session.config, "workerinput"):
                raise RuntimeError("no licence")
    """
    run = suite({"conftest.py": conftest, "test_a.py": PLAIN}).run()
    assert "RuntimeError: no licence" in (run.collection.usage_error or "")


@pytest.mark.parametrize("files", [{}, {"pytest.ini": "[pytest]\naddopts = --setup-only\n"}], ids=["args", "addopts"])
def test_what_would_run_nothing_is_refused(files: dict[str, str], suite: Any) -> None:
    run = suite({"test_a.py": PLAIN, **files}).run(args=[] if files else ["--setup-only"])
    assert "--setup-only runs nothing: leave it out" == run.collection.usage_error


def test_properties_of_the_suite_are_told(end: End) -> None:
    text = "def test_a(record_testsuite_property): record_testsuite_property('build', 7)\n"
    assert (("build", "7"),) == end({"test_a.py": text}).properties


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_categories_of_plug_ins_are_counted_as_pytest_counts_them(isolation: str, end: End) -> None:
    conftest = """
        def pytest_report_teststatus(report):
            if report.when == "call" and "known" in report.nodeid:
                return "known", "K", "KNOWN"
            if report.when == "teardown" and "known" in report.nodeid:
                report.count_towards_summary = False
                return "left out", "", ""
    """
    text = "def test_known(): pass\ndef test_known_2(): assert 0\ndef test_a(): pass\n"
    assert (("known", 2),) == end({"conftest.py": conftest, "test_a.py": text}, isolation).categories
