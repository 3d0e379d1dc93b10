"""Plug-ins in the controller start, hear all, sum up, write their files and have the last word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulseq.models import PytestWarning

both_isolations = pytest.mark.parametrize("isolation", ["fork", "interpreter"])

SERVICE = """
    import pathlib
    HERE = pathlib.Path(__file__).parent
    def note(text):
        with open(HERE / "log", "a") as log: log.write(text + "\\n")
    def in_controller(config): return not hasattr(config, "workerinput")
    def pytest_configure(config):
        if in_controller(config):
            (HERE / "service").write_text("up")
            note("started")
    def pytest_unconfigure(config):
        if in_controller(config):
            (HERE / "service").unlink()
            note("stopped")
    def pytest_terminal_summary(terminalreporter):
        note("summed up")
        terminalreporter.section("words of mine")
        terminalreporter.write_line("3 leaks")
"""
USES_SERVICE = """
    import pathlib, pytest
    @pytest.mark.parametrize("n", range(3))
    def test_up(n): assert pathlib.Path("service").read_text() == "up"
"""


def with_end(status: str) -> str:
    """The service's conftest.py, whose controller ends with this line."""
    end = f"""
    def pytest_sessionfinish(session, exitstatus):
        if in_controller(session.config):
            note(f"finished {{exitstatus}} {{session.testsfailed}} {{session.testscollected}}")
            {status}
    """
    return SERVICE + end


@both_isolations
def test_a_service_of_the_controller_is_up_for_all_tests_and_stopped_after_them(isolation: str, suite: Any) -> None:
    folder = suite({"conftest.py": with_end("pass"), "test_up.py": USES_SERVICE})
    run = folder.run(slots=2, pack=1, isolation=isolation)
    assert {"passed": 3} == run.counts()
    assert ["started", "finished 0 0 3", "summed up", "stopped"] == folder.log()
    assert (0, None) == (run.ended.exit_status, run.ended.error)
    assert "3 leaks" in run.ended.summary


@both_isolations
def test_workers_have_the_variables_that_plug_ins_set_in_the_controller(
    isolation: str, suite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOES", "before")
    conftest = """
        import os
        os.environ["OF_IMPORT"] = os.environ.get("OF_IMPORT", "") + "once"
        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                os.environ["OF_CONFIGURE"] = "caf\\u00e9 \\udc80"
                os.environ["TMPDIR"] = "/nowhere"
                del os.environ["GOES"]
        def pytest_sessionstart(session):
            if not hasattr(session.config, "workerinput"):
                os.environ["OF_START"] = "2"
    """
    test = """
        import os
        AT_IMPORT = dict(os.environ)
        def test_variables():
            for variables in (AT_IMPORT, os.environ):
                assert variables["OF_IMPORT"] == "once"
                assert variables["OF_CONFIGURE"] == "caf\\u00e9 \\udc80"
                assert variables["OF_START"] == "2"
                assert variables["TMPDIR"] != "/nowhere"
                assert "GOES" not in variables
    """
    run = suite({"conftest.py": conftest, "test_a.py": test}).run(isolation=isolation)
    assert {"passed": 1} == run.counts()


@pytest.mark.parametrize(("status", "isolation"), [(1, "fork"), (7, "interpreter")])
def test_a_plug_in_fails_the_session_by_its_exit_status(status: int, isolation: str, suite: Any) -> None:
    folder = suite({"conftest.py": with_end(f"session.exitstatus = {status}"), "test_up.py": USES_SERVICE})
    run = folder.run(isolation=isolation)
    assert {"passed": 3} == run.counts()
    assert status == run.ended.exit_status
    assert f"pytest ended with exit status {status} although no test failed" in run.ended.error
    assert "3 leaks" in run.ended.error
    assert "stopped" == folder.log()[-1]


@both_isolations
def test_a_file_that_cannot_be_collected_is_no_trouble_of_the_session_besides(isolation: str, suite: Any) -> None:
    run = suite({"test_a.py": "def test_a(): pass\n", "test_b.py": "import nothere\n"}).run(isolation=isolation)
    assert (1, None) == (run.ended.exit_status, run.ended.error)


def test_a_gate_may_raise_an_exit(suite: Any) -> None:
    end = "import pytest; pytest.exit('coverage is 3 %', returncode=9)"
    run = suite({"conftest.py": with_end(end), "test_up.py": USES_SERVICE}).run()
    assert (9, True) == (run.ended.exit_status, "although no test failed" in run.ended.error)


@pytest.mark.parametrize("hook", ["pytest_sessionfinish", "pytest_unconfigure", "pytest_terminal_summary"])
def test_a_last_hook_that_raises_is_the_sessions_error(hook: str, suite: Any) -> None:
    given = "config" if hook == "pytest_unconfigure" else ""
    conftest = f"def {hook}({given}): raise RuntimeError('3 temporary files were left behind')\n"
    run = suite({"conftest.py": conftest, "test_ok.py": "def test_ok(): pass\n"}).run()
    assert {"passed": 1} == run.counts()
    assert 0 != run.ended.exit_status
    assert "3 temporary files were left behind" in run.ended.error


def test_a_failing_test_is_no_trouble_of_the_session(suite: Any) -> None:
    body = USES_SERVICE + "    def test_wrong(): assert 0\n"
    folder = suite({"conftest.py": with_end("pass"), "test_up.py": body})
    run = folder.run()
    assert (1, None) == (run.ended.exit_status, run.ended.error)
    assert "finished 1 1 4" in folder.log()


#: A plug-in that writes what came of all tests into a file when the session ends, as report plug-ins do.
REPORTING = """
    import json, os
    class Reporting:
        def __init__(self): self.told = []
        def pytest_runtest_logreport(self, report):
            if report.when == "call" or report.outcome != "passed":
                texts = [text for _, text in report.sections]
                node = report.node.gateway.id
                self.told.append([report.nodeid, report.when, report.outcome, texts, report.user_properties, node])
        def pytest_sessionfinish(self, session):
            with open("report.json", "w") as file: json.dump(sorted(self.told), file)
    def pytest_configure(config):
        if not hasattr(config, "workerinput"): config.pluginmanager.register(Reporting())
"""


@both_isolations
def test_a_report_plug_in_writes_what_came_of_all_tests_of_all_slots(isolation: str, suite: Any) -> None:
    body = """
        import pytest
        def test_1(record_property):
            record_property("ticket", 7)
            print("hello")
        def test_2(): assert 0
        @pytest.mark.skip
        def test_3(): pass
        def test_4(none): pass
    """
    folder = suite({"conftest.py": REPORTING, "test_r.py": body})
    folder.run(slots=2, pack=1, isolation=isolation)
    told = json.loads((folder.path / "report.json").read_text())
    assert [
        ["test_r.py::test_1", "call", "passed", ["hello\n"], [["ticket", 7]]],
        ["test_r.py::test_2", "call", "failed", [], []],
        ["test_r.py::test_3", "setup", "skipped", [], []],
        ["test_r.py::test_4", "setup", "failed", [], []],
    ] == [entry[:5] for entry in told]
    assert {entry[5] for entry in told} <= {"gw0", "gw1"}


@both_isolations
def test_a_report_plug_in_hears_of_a_crash(isolation: str, suite: Any) -> None:
    body = "import os\ndef test_1(): os._exit(1)\ndef test_2(): pass\n"
    folder = suite({"conftest.py": REPORTING, "test_r.py": body})
    folder.run(isolation=isolation)
    told = json.loads((folder.path / "report.json").read_text())
    assert [["test_r.py::test_1", "failed"], ["test_r.py::test_2", "passed"]] == [[one[0], one[2]] for one in told]


#: A benchmark's fixture: it measures in workers, and its plug-in sums up in the controller.
BENCHMARK = """
    import pytest, time
    @pytest.fixture
    def measured(record_property):
        def measure(function, *arguments):
            began = time.perf_counter()
            result = function(*arguments)
            record_property("seconds", time.perf_counter() - began)
            return result
        return measure
    rounds = []
    def pytest_runtest_logreport(report):
        if report.when == "call": rounds.extend(name for name, _ in report.user_properties)
    def pytest_terminal_summary(terminalreporter):
        terminalreporter.write_line(f"measured {len(rounds)}")
"""


@both_isolations
def test_what_a_benchmark_measures_is_a_metric_and_is_summed_up(isolation: str, suite: Any) -> None:
    body = "def test_sum(measured): assert measured(sum, range(9)) == 36\ndef test_plain(): pass\n"
    run = suite({"conftest.py": BENCHMARK, "test_b.py": body}).run(slots=2, pack=1, isolation=isolation)
    assert {"passed": 2} == run.counts()
    assert (True, False) == ("seconds" in run["test_sum"].metrics, "seconds" in run["test_plain"].metrics)
    assert "measured 1" in run.ended.summary


@both_isolations
def test_what_tests_record_is_kept(isolation: str, suite: Any) -> None:
    body = """
        import pytest, warnings
        def test_warns(): warnings.warn("old ways", DeprecationWarning)
        @pytest.mark.filterwarnings("error")
        def test_strict(): warnings.warn("no more")
        def test_records(record_property, record_testsuite_property):
            record_property("ticket", "A-7")
            record_testsuite_property("build", 12)
        def test_attribute(record_xml_attribute): record_xml_attribute("owner", "me")
        def test_subtests(subtests):
            for n in range(3):
                with subtests.test(n=n): assert n != 1
    """
    ini = "[pytest]\nfilterwarnings = ignore::pytest.PytestExperimentalApiWarning\n"
    run = suite({"pytest.ini": ini, "test_r.py": body}).run(slots=2, pack=1, isolation=isolation)
    warning = PytestWarning("DeprecationWarning", "old ways", "test_r.py:3", "runtest")
    assert {
        "test_warns": "passed",
        "test_strict": "failed",
        "test_records": "passed",
        "test_attribute": "passed",
        "test_subtests": "failed",
    } == run.verdicts()
    assert (warning,) == run["test_warns"].pytest_warnings
    assert (("property", "ticket", "A-7"),) == run["test_records"].properties
    assert (("attribute", "owner", "me"),) == run["test_attribute"].properties
    assert {"passed": 2, "failed": 1} == run["test_subtests"].subtests
    assert (("build", "12"),) == run.ended.properties


def test_testpaths_are_collected_where_no_path_is_named(suite: Any) -> None:
    files = {
        "pytest.ini": "[pytest]\ntestpaths = unit more*\n",
        "unit/test_u.py": "def test_u(): pass\n",
        "more_1/test_m.py": "def test_m(): pass\n",
        "other/test_o.py": "def test_o(): assert 0\n",
    }
    assert {"test_u": "passed", "test_m": "passed"} == suite(files).run(targets=()).verdicts()


def test_a_path_that_is_named_wins_over_testpaths(suite: Any) -> None:
    files = {
        "pytest.ini": "[pytest]\ntestpaths = unit\n",
        "unit/test_u.py": "def test_u(): pass\n",
        "other/test_o.py": "def test_o(): pass\n",
    }
    assert {"test_o": "passed"} == suite(files).run(targets=("other",)).verdicts()
