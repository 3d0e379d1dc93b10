"""What the runtime asks of pytest beyond its documented interface, held against the pytest that is installed.

Needs pytest and PulseQ's source alone, so that `tests/parity` can run it in environments with other releases: it is
what has to pass before another major version of pytest is allowed in `pyproject.toml`.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
from _pytest import faulthandler, junitxml
from _pytest.assertion import rewrite
from _pytest.warnings import catch_warnings_for_item

from pulseq.execution.runtime.pytest_rewriting import _PARAMETERS, _is_known
from pulseq.execution.runtime.pytest_summary import _OWN_PARTS, LastWords
from pulseq.execution.runtime.pytest_verdict import Recorder
from tests import promised
from tests.outside_use import named_uses, our_files, unpromised_uses
from tests.unpromised import PYTEST, Place

pytest_plugins = ("pytester",)


def test_every_use_of_what_pytest_does_not_promise_is_named() -> None:
    assert set() == unpromised_uses(our_files("pytest", "pluggy"), promised.PYTEST) ^ named_uses(PYTEST)


@pytest.mark.parametrize("place", PYTEST, ids=lambda place: place.uses[-1])
def test_what_holds_a_place_is_there(place: Place) -> None:
    assert place.held_by
    assert set() == set(place.held_by) - globals().keys()


def run(pytester: pytest.Pytester, source: str, plugin: object, *options: str) -> int:
    """The exit status of a session in this process with a test file and a plug-in."""
    pytester.makepyfile(source)
    return int(pytester.inline_run("-p", "no:faulthandler", *options, plugins=[plugin]).ret)


def test_rewritten_code_is_written_and_read_by_these_functions(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    pytests: Any = rewrite
    assert _is_known(pytests), f"pytest {pytest.__version__} has not {_PARAMETERS}"
    source = tmp_path / "test_it.py"
    source.write_text("def test_it():\n    assert 1 == 2\n")
    pyc = pytests.get_cache_dir(source) / f"test_it{pytests.PYC_TAIL}"
    pyc.parent.mkdir(parents=True)
    state = pytestconfig.stash[pytests.assertstate_key]

    origin, code = pytests._rewrite_test(source, pytestconfig)
    pytests._write_pyc(state, code, origin, pyc)

    assert code == pytests._read_pyc(source, pyc, lambda _: None)
    source.write_text("def test_it():\n    assert 1 == 2 - 1\n    assert 2 == 3\n")
    assert pytests._read_pyc(source, pyc, lambda _: None) is None


def test_an_import_reads_code_by_the_function(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytests: Any = rewrite
    asked: list[str] = []
    monkeypatch.setattr(pytests, "_read_pyc", lambda source, pyc, trace: asked.append(Path(source).name))

    class Look:
        def pytest_collection(self, session: Any) -> None:
            assert session.config.stash[pytests.assertstate_key].hook is not None

    assert run(pytester, "def test_it(): pass", Look()) == 0
    assert [name for name in asked if name.startswith("test_")]


def test_properties_go_to_what_stands_in_the_place_of_a_junit_file(pytester: pytest.Pytester) -> None:
    recorded: list[tuple[str, str]] = []

    class Put:
        def pytest_configure(self, config: pytest.Config) -> None:
            self.recorder = Recorder.put_into(config)
            assert config.stash[junitxml.xml_key] is self.recorder
            self.recorder.on_suite_property = lambda name, value: recorded.append((name, value))

    put = Put()
    source = """
        def test_it(record_xml_attribute, record_testsuite_property):
            record_xml_attribute("one", "of a test")
            record_testsuite_property("other", "of all")
    """
    assert run(pytester, source, put, "-W", "ignore") == 0
    assert put.recorder.attributes == [("one", "of a test")]
    assert recorded == [("other", "of all")]


class Reports:
    """Keeps the reports of a session by the name of the test, the last of each."""

    def __init__(self) -> None:
        self.of: dict[str, Any] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.of.setdefault(report.nodeid.rpartition("::")[2], report)


def test_a_report_says_in_one_line_why_a_test_failed(pytester: pytest.Pytester) -> None:
    reports = Reports()
    run(pytester, "def test_it():\n    raise ValueError('this is why')", reports)
    assert reports.of["test_it"].longrepr.reprcrash.message == "ValueError: this is why"


def test_the_report_of_a_subtest_has_a_context(pytester: pytest.Pytester) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip(f"pytest {pytest.__version__} has no subtests of its own, and pytest-subtests' are not asked here")
    contexts: list[bool] = []

    class Hear:
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when == "call":
                contexts.append(hasattr(report, "context"))

    run(pytester, "def test_it(subtests):\n    with subtests.test('part'): assert True", Hear())
    assert contexts == [True, False]


def test_a_report_tells_why_a_failure_was_expected(pytester: pytest.Pytester) -> None:
    reports = Reports()
    source = """
        import pytest

        @pytest.mark.xfail(reason="not yet")
        def test_it(): assert False

        def test_other(): assert True
    """
    run(pytester, source, reports)
    assert reports.of["test_it"].wasxfail == "not yet"
    assert not hasattr(reports.of["test_other"], "wasxfail")


@pytest.mark.processes
def test_faulthandlers_descriptor_is_in_the_stash(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest(
        """
        import os
        from _pytest.faulthandler import fault_handler_stderr_fd_key

        def pytest_runtest_call(item):
            os.fstat(item.config.stash[fault_handler_stderr_fd_key])
        """
    )
    assert faulthandler.fault_handler_stderr_fd_key is not None
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_capturing_goes_on_in_another_file(pytester: pytest.Pytester) -> None:
    reports = Reports()

    class Redirect:
        def pytest_runtestloop(self, session: pytest.Session) -> None:
            manager: Any = session.config.pluginmanager.getplugin("capturemanager")
            stream = manager._global_capturing.out
            os.fstat(stream.targetfd_save)
            self.own = os.open(pytester.path / "captured", os.O_RDWR | os.O_CREAT, 0o600)
            os.dup2(self.own, stream.tmpfile.fileno())

        def pytest_runtest_call(self, item: pytest.Item) -> None:
            os.write(1, b"of the test")
            self.size = os.fstat(self.own).st_size

    class Both(Reports, Redirect):
        pass

    reports = Both()
    assert run(pytester, "def test_it(): pass", reports, "--capture=fd") == 0
    os.close(reports.own)
    assert reports.size == len("of the test")
    assert [text for _, text in reports.of["test_it"].sections] == ["of the test"]


def test_temporary_directories_move_with_their_factory(pytester: pytest.Pytester) -> None:
    moved = pytester.path / "moved"

    class Move:
        def pytest_runtestloop(self, session: Any) -> None:
            factory = session.config._tmp_path_factory
            assert factory.getbasetemp() == pytester.path / "first"
            session.config.option.basetemp = str(moved)
            factory._given_basetemp = moved
            factory._basetemp = None

    source = f"def test_it(tmp_path): assert str(tmp_path).startswith({str(moved)!r})"
    assert run(pytester, source, Move(), f"--basetemp={pytester.path}/first") == 0


_PLAIN = ("--capture=no", "-p", "no:cacheprovider", "--color=yes")


def test_the_terminal_reporter_writes_where_it_is_told_to(pytester: pytest.Pytester) -> None:
    heard = io.StringIO()

    class Turn:
        def pytest_runtestloop(self, session: pytest.Session) -> None:
            reporter: Any = session.config.pluginmanager.getplugin("terminalreporter")
            reporter.ensure_newline()
            reporter._tw._file = heard
            assert hasattr(reporter, "_show_progress_info")
            reporter._show_progress_info = False
            reporter.showfspath = False

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
            result = yield
            self.said = heard.getvalue()
            return result

    turn = Turn()
    assert run(pytester, "def test_it(): pass", turn, *_PLAIN, "--color=no") == 0
    assert turn.said == "."
    assert "1 passed" in heard.getvalue()


def test_the_own_parts_of_a_summary_can_be_silenced(pytester: pytest.Pytester) -> None:
    words = LastWords()

    class Silence:
        def pytest_runtestloop(self, session: pytest.Session) -> None:
            words.silence(session.config.pluginmanager.getplugin("terminalreporter"))

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish(self, session: pytest.Session) -> None:
            reporter: Any = session.config.pluginmanager.getplugin("terminalreporter")
            assert {name for name in _OWN_PARTS if name.startswith(("summary_", "short_"))} >= {
                name for name in dir(reporter) if name.startswith(("summary_", "short_test"))
            }
            assert hasattr(reporter, "_report_keyboardinterrupt")
            words.listen(reporter)

        def pytest_terminal_summary(self, terminalreporter: Any) -> None:
            terminalreporter.write_line("a plug-in's own", red=True)

    source = """
        import pytest, warnings

        def test_fails(): warnings.warn("not told again"); assert False

        @pytest.mark.xfail
        def test_is_expected(): assert False

        @pytest.fixture
        def broken(): raise ValueError

        def test_breaks(broken): pass
    """
    assert run(pytester, source, Silence(), *_PLAIN, "-rA", "--xfail-tb") == 1
    assert words.text() == "a plug-in's own"


def test_the_terminal_reporter_keeps_reports_by_category(pytester: pytest.Pytester) -> None:
    class Look:
        def pytest_sessionfinish(self, session: pytest.Session) -> None:
            stats = session.config.pluginmanager.getplugin("terminalreporter").stats  # type: ignore[union-attr]
            self.found = {category: [report.nodeid for report in stats[category]] for category in ("passed", "failed")}

    look = Look()
    run(pytester, "def test_a(): pass\ndef test_b(): assert False", look)
    assert [["test_a"], ["test_b"]] == [
        [nodeid.rpartition("::")[2] for nodeid in nodeids] for nodeids in look.found.values()
    ]


def test_wider_fixtures_are_torn_down_by_the_setup_state(pytester: pytest.Pytester) -> None:
    class Loop:
        def pytest_runtestloop(self, session: Any) -> bool:
            first, second = session.items
            first.config.hook.pytest_runtest_protocol(item=first, nextitem=second)
            state = session._setupstate
            assert list(state.stack) == second.listchain()[: len(state.stack)]
            assert not (pytester.path / "torn").exists()
            state.teardown_exact(None)
            assert (pytester.path / "torn").exists()
            assert not state.stack
            return True

    source = """
        import pathlib, pytest

        @pytest.fixture(scope="module", autouse=True)
        def wide():
            yield
            pathlib.Path("torn").touch()

        def test_a(): pass
        def test_b(): pass
    """
    assert run(pytester, source, Loop()) == 0


def test_warnings_of_an_item_are_recorded_by_this_function(pytester: pytest.Pytester) -> None:
    recorded: list[tuple[str, str, str]] = []

    class Loop:
        def pytest_runtestloop(self, session: Any) -> bool:
            (item,) = session.items
            with catch_warnings_for_item(config=item.config, ihook=item.ihook, when="runtest", item=item):
                warnings.warn("old", UserWarning, stacklevel=1)
                with pytest.raises(UserWarning, match="wrong"):
                    warnings.warn("wrong", UserWarning, stacklevel=1)
            return True

        def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str) -> None:
            recorded.append((str(warning_message.message), when, nodeid.rpartition("::")[2]))

    run(pytester, "def test_it(): pass", Loop(), "-W", "default:old", "-W", "error:wrong")
    assert [("old", "runtest", "test_it")] == recorded


def test_an_item_keeps_its_output_until_that_is_cleared(pytester: pytest.Pytester) -> None:
    sections: list[list[str]] = []

    class Loop(Reports):
        def pytest_runtestloop(self, session: Any) -> bool:
            (item,) = session.items
            for clear in (False, True, False):
                if clear:
                    item._report_sections.clear()
                self.of.clear()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=item)
                sections.append([text for _, text in self.of["test_it"].sections])
            return True

    run(pytester, "def test_it(): print('said')", Loop())
    assert [["said\n"], ["said\n"], ["said\nsaid\n"]] == [["".join(each)] for each in sections]


def test_a_session_knows_the_paths_that_it_was_given(pytester: pytest.Pytester) -> None:
    class Look:
        def pytest_collection_finish(self, session: Any) -> None:
            self.found = set(session._initialpaths)

    look = Look()
    file = pytester.makepyfile(test_one="def test_it(): pass")
    run(pytester, "def test_other(): pass", look, f"{file}::test_it")
    assert look.found == {file}


def test_garbage_is_looked_for_by_the_plug_in_for_it_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers: list[str] = []
    collect = gc.collect

    def note(generation: int = 2) -> int:
        callers.append(sys._getframe(1).f_code.co_filename)
        return collect(generation)

    monkeypatch.setattr(gc, "collect", note)
    with warnings.catch_warnings():
        run(pytester, "def test_it(): pass", object())
    # pytester itself looks before and after.
    assert {os.path.join("_pytest", name) for name in ("unraisableexception.py", "pytester.py")} >= {
        os.path.join(*Path(caller).parts[-2:]) for caller in callers if f"{os.sep}_pytest{os.sep}" in caller
    }


def test_plug_ins_of_pytest_are_known_by_their_module(pytestconfig: pytest.Config) -> None:
    for name in ("terminalreporter", "capturemanager", "runner", "main", "python", "unittest"):
        plugin: Any = pytestconfig.pluginmanager.getplugin(name)
        module = plugin.__name__ if isinstance(plugin, types.ModuleType) else type(plugin).__module__
        assert module.startswith("_pytest.")


def test_early_options_are_a_namespace_of_the_early_configuration(pytester: pytest.Pytester) -> None:
    class Look:
        def pytest_load_initial_conftests(self, early_config: Any) -> None:
            assert isinstance(early_config.known_args_namespace, argparse.Namespace)
            self.found = early_config.known_args_namespace.maxfail

    look = Look()
    assert run(pytester, "def test_it(): pass", look, "--maxfail=3") == 0
    assert look.found == 3


@pytest.mark.parametrize(("failed", "collected", "status"), [(1, 1, 1), (0, 1, 0), (0, 0, 5)])
def test_a_sessions_counts_decide_on_its_exit_status(
    failed: int, collected: int, status: int, pytester: pytest.Pytester
) -> None:
    class Count:
        def pytest_runtestloop(self, session: Any) -> bool:
            assert (session.testsfailed, session.testscollected) == (0, 1)
            session.testsfailed, session.testscollected = failed, collected
            return True

    assert run(pytester, "def test_it(): pass", Count()) == status


def test_a_hook_tells_whether_it_was_specified() -> None:
    class Suite:
        @pytest.hookimpl(optionalhook=True)
        def pytest_of_nobody(self) -> None: ...

    manager = pytest.PytestPluginManager()
    manager.register(Suite())
    assert (True, False) == (manager.hook.pytest_configure.has_spec(), manager.hook.pytest_of_nobody.has_spec())


def test_a_report_may_be_left_out_of_the_last_line() -> None:
    report = pytest.TestReport("t", ("t", None, "t"), {}, "passed", None, "call")
    assert report.count_towards_summary is True


def test_options_have_these_names(pytestconfig: pytest.Config) -> None:
    names = {"basetemp", "collectonly", "keyword", "markexpr", "maxfail", "pastebin"}
    assert names | {"trace", "usepdb", "xmlpath"} <= vars(pytestconfig.option).keys()


def test_pytest_is_a_program_that_can_be_imported() -> None:
    program: Any = importlib.import_module("pytest.__main__")
    assert program.__file__ == os.path.join(os.path.dirname(pytest.__file__), "__main__.py")
