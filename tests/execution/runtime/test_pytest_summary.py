"""The last words of a session are those of its plug-ins alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_summary import LastWords

SUITE = """
    import warnings, pytest
    def test_fails(): assert "a word of the failure" == ""
    @pytest.mark.skip(reason="a word of the skip")
    def test_skipped(): pass
    @pytest.mark.xfail(reason="a word of the xfail")
    def test_xfails(): assert 0
    @pytest.fixture
    def broken(): raise RuntimeError("a word of the error")
    def test_error(broken): pass
    def test_warns(): warnings.warn("a word of the warning")
"""
OPTIONS = ("-s", "-pno:cacheprovider", "-pno:faulthandler", "-rA", "-Walways", "--import-mode=importlib")
CONFTEST = """
    def pytest_terminal_summary(terminalreporter):
        terminalreporter.section("what we found")
        terminalreporter.write_line("three lamps", red=True, bold=True)
"""


@pytest.fixture
def listen(tmp_path: Path, suite: Any) -> Callable[..., LastWords]:
    """`listen(*args)` runs a suite in this process, hears it from the end of its tests on, and is what was heard."""

    def run(*args: str) -> LastWords:
        folder = suite({"test_words.py": SUITE, "conftest.py": CONFTEST})
        words = LastWords()

        class Listener:
            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtestloop(self, session: Any) -> Any:
                reporter = session.config.pluginmanager.getplugin("terminalreporter")
                words.silence(reporter)
                yield
                words.listen(reporter)

        options = [*OPTIONS, f"--rootdir={folder.path}"]
        pytest.main([*options, f"-c{folder.path}/pytest.ini", *args, str(folder.path)], plugins=[Listener()])
        return words

    return run


def test_a_plug_ins_section_is_kept_and_pytests_own_are_not(listen: Callable[..., LastWords]) -> None:
    title, line = filter(None, listen().text().splitlines())
    assert "what we found" == title.strip("= ")
    assert "three lamps" == line


def test_colours_are_stripped(listen: Callable[..., LastWords]) -> None:
    text = listen("--color=yes").text()
    assert "three lamps" in text
    assert "\x1b" not in text


def test_colours_that_a_plug_in_writes_by_itself_are_stripped() -> None:
    writer = SimpleNamespace(_file=io.StringIO(), hasmarkup=True)
    words = LastWords()
    words.listen(SimpleNamespace(_tw=writer))
    writer._file.write("\n\x1b[1;31mred\x1b[0m\n")
    assert ("red", False) == (words.text(), writer.hasmarkup)


def test_internal_errors_come_after_what_was_written() -> None:
    words = LastWords()
    words.note("one")
    words.note("two")
    assert ("one\ntwo", "one\ntwo") == (words.noted, words.text())


def test_without_a_terminal_reporter_there_are_no_words() -> None:
    words = LastWords()
    words.silence(None)
    words.listen(None)
    assert "" == words.text()
