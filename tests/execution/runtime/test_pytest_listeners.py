"""Who listens to reports in a controller, and who does not."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.execution.runtime.pytest_listeners import wanted_passes


def wanted(suite: Any, files: dict[str, str], *options: str) -> list[list[str] | None]:
    """What is found in a session of pytest's with these files."""
    folder = suite({"test_a.py": "def test_a(): pass\n", **files})
    found: list[list[str] | None] = []

    class Look:
        def pytest_collection(self, session: Any) -> bool:
            found.append(wanted_passes(session.config))
            return True

    place = [f"--rootdir={folder.path}", f"-c{folder.path}/pytest.ini", "--import-mode=importlib", str(folder.path)]
    pytest.main(["-p", "no:faulthandler", *options, *place], plugins=[Look()])
    return found


@pytest.mark.parametrize(
    "hook",
    [
        "pytest_runtest_logreport(report)",
        "pytest_runtest_logstart(nodeid)",
        "pytest_report_teststatus(report)",
        "pytest_terminal_summary(terminalreporter)",
        "pytest_sessionfinish(session)",
        "pytest_unconfigure(config)",
    ],
)
def test_a_suite_that_hears_of_its_tests_is_told_all(hook: str, suite: Any) -> None:
    assert [None] == wanted(suite, {"conftest.py": f"def {hook}: pass\n"})


def test_pytest_itself_hears_nothing_that_matters(suite: Any) -> None:
    conftest = "def pytest_configure(config): pass\ndef pytest_collection_modifyitems(items): pass\n"
    assert [[]] == wanted(suite, {"conftest.py": conftest})


def test_a_report_that_is_asked_for_is_written_from_all(suite: Any, tmp_path: Any) -> None:
    assert [None] == wanted(suite, {}, f"--junitxml={tmp_path}/report.xml")


def test_what_failed_last_is_to_be_heard_of(suite: Any) -> None:
    cached = {".pytest_cache/v/cache/lastfailed": '{"test_a.py::test_a": true}'}
    assert [["test_a.py::test_a"]] == wanted(suite, cached)
    assert [[]] == wanted(suite, cached, "-p", "no:cacheprovider")
