"""Plug-ins hear of each item what pytest alone would tell them: once, in order, with the item that follows."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter, defaultdict
from typing import Any

import pytest

from pulseq.models import AttemptResult
from pulseq.pytest_sessions import PytestOrder, SessionResult

both_isolations = pytest.mark.parametrize("isolation", ["fork", "interpreter"])

#: Notes what hooks hear, each line with the process that it is in.
LISTENING = """
    import os, pytest
    WHERE = "controller"
    def note(*words):
        with open("log", "a") as log: log.write(" ".join([WHERE, *map(str, words)]) + "\\n")
    def pytest_configure(config):
        global WHERE
        if hasattr(config, "workerinput"): WHERE = "worker"
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(item, nextitem):
        note("begin", item.nodeid, os.getpid(), nextitem and nextitem.nodeid)
        yield
        note("end", item.nodeid)
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        yield
        note("make", item.nodeid, call.when)
    def pytest_runtest_logreport(report): note("log", report.nodeid, report.when, report.outcome)
    def pytest_runtest_logstart(nodeid): note("start", nodeid)
    def pytest_runtest_logfinish(nodeid): note("finish", nodeid)
"""
SCOPES = """
    import pytest
    @pytest.fixture(scope="module")
    def wide(): yield
    class TestOne:
        def test_a(self, wide): pass
        def test_b(self): assert 0
    class TestTwo:
        def test_c(self, wide): pytest.skip("no")
    def test_d(): pass
"""
FILES = {"test_x.py": SCOPES, "test_y.py": SCOPES, "test_z.py": SCOPES}
NAMES = ("TestOne::test_a", "TestOne::test_b", "TestTwo::test_c", "test_d")
IDS = tuple(f"{file}::{name}" for file in FILES for name in NAMES)
PHASES = ("setup", "call", "teardown")


def heard(folder: Any, where: str) -> list[list[str]]:
    """What the log says that hooks of the controller, or of a worker, heard."""
    lines = [line.split() for line in folder.log()]
    return [words[1:] for words in lines if words[0] == where]


@both_isolations
@pytest.mark.parametrize(("slots", "pack"), [(1, 5), (2, 1)])
def test_the_next_item_is_the_one_that_the_slot_runs_next(slots: int, pack: int, isolation: str, suite: Any) -> None:
    folder = suite({"conftest.py": LISTENING, **FILES})
    folder.run(slots=slots, pack=pack, isolation=isolation)
    ran, told = defaultdict(list), defaultdict(list)
    for word, nodeid, *more in heard(folder, "worker"):
        if word == "begin":
            ran[more[0]].append(nodeid)
            told[more[0]].append(more[1])
    assert sorted(IDS) == sorted(nodeid for ids in ran.values() for nodeid in ids)
    assert {process: [*ids[1:], "None"] for process, ids in ran.items()} == told


@both_isolations
def test_each_phase_of_an_item_is_reported_once_in_worker_and_controller(isolation: str, suite: Any) -> None:
    folder = suite({"conftest.py": LISTENING, **FILES})
    folder.run(slots=2, pack=1, isolation=isolation)
    phases = Counter((nodeid, phase) for nodeid in IDS for phase in PHASES)
    once = Counter(IDS)
    for where in ("worker", "controller"):
        lines = heard(folder, where)
        assert phases == Counter((words[1], words[2]) for words in lines if words[0] == "log")
        assert once == Counter(words[1] for words in lines if words[0] == "start")
        assert once == Counter(words[1] for words in lines if words[0] == "finish")
    assert phases == Counter((words[1], words[2]) for words in heard(folder, "worker") if words[0] == "make")
    assert [] == [words for words in heard(folder, "controller") if words[0] in ("begin", "end", "make")]


def test_a_worker_hears_what_plain_pytest_tells(suite: Any) -> None:
    folder = suite({"conftest.py": LISTENING, **FILES})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=folder.path, env=environment, capture_output=True, check=False)
    expected = [_without_process(words) for words in heard(folder, "controller")]
    (folder.path / "log").unlink()
    folder.run(pack=2, isolation="fork")
    assert expected == [_without_process(words) for words in heard(folder, "worker")]


def _without_process(words: list[str]) -> list[str]:
    return [*words[:2], *words[3:]] if words[0] == "begin" else words


@both_isolations
def test_a_hook_may_keep_its_state_on_the_item_for_the_protocol(isolation: str, suite: Any) -> None:
    conftest = """
        import pytest
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(item, nextitem):
            item.phases = []
            yield
            assert item.phases == ["setup", "call", "teardown"]
            del item.phases
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_makereport(item, call):
            yield
            item.phases.append(call.when)
        @pytest.fixture(scope="module", autouse=True)
        def wide(request):
            yield
            request.node.items_done = True
    """
    run = suite({"conftest.py": conftest, **FILES}).run(slots=2, pack=1, isolation=isolation)
    assert Counter(passed=6, failed=3, skipped=3) == run.counts()
    assert [] == [result.error for result in run.results if result.status.value == "error"]


#: As SQLAlchemy's plug-in does: what comes up with the first test of a class goes down with its last.
CLASS_HOOKS = """
    import pytest
    current = None
    def note(*words):
        with open("log", "a") as log: log.write(" ".join(words) + "\\n")
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(item):
        global current
        if current is None:
            current = item.getparent(pytest.Class)
            current.obj.prepared = True
            note("up", current.nodeid)
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(item, nextitem):
        global current
        yield
        if nextitem is None or nextitem.getparent(pytest.Class) is not current:
            current.obj.prepared = False
            note("down", current.nodeid)
            current = None
"""
CLASSES = "import pytest\n" + "".join(
    f"class Test{letter}:\n    prepared = False\n"
    "    @pytest.mark.parametrize('i', range(3))\n    def test(self, i): assert self.prepared\n"
    for letter in "ABC"
)


@both_isolations
@pytest.mark.parametrize(("slots", "pack"), [(1, 1), (2, 2)])
def test_a_hook_may_hold_a_class_until_the_next_item_is_of_another(
    slots: int, pack: int, isolation: str, suite: Any
) -> None:
    folder = suite({"conftest.py": CLASS_HOOKS, "test_c.py": CLASSES, "test_d.py": CLASSES})
    run = folder.run(slots=slots, pack=pack, isolation=isolation)
    assert {"passed": 18} == run.counts()
    log = folder.log()
    assert Counter(line.split()[1] for line in log if line.startswith("up")) == Counter(
        line.split()[1] for line in log if line.startswith("down")
    )


def test_a_hook_that_holds_a_module_lets_go_of_it_at_a_fresh_runners_end(suite: Any) -> None:
    folder = suite({"conftest.py": CLASS_HOOKS, "test_c.py": CLASSES})
    assert {"passed": 9} == folder.run(pack=2, fresh=True).counts()
    log = folder.log()
    assert [word for _ in range(len(log) // 2) for word in ("up", "down")] == [line.split()[0] for line in log]


#: A plug-in that reruns, as pytest-rerunfailures does: by a protocol of its own, which logs each try.
RERUNS = """
    import pytest
    from _pytest.runner import runtestprotocol
    def pytest_configure(config):
        config.addinivalue_line("markers", "again(times): run it so many times more while it fails")
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        mark = item.get_closest_marker("again")
        if mark is None: return None
        times = mark.args[0]
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for number in range(times + 1):
            item.execution_count = number + 1
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            for report in reports:
                report.rerun = number
                if number < times and report.failed and not hasattr(report, "wasxfail"):
                    report.outcome = "rerun"
                    item.ihook.pytest_runtest_logreport(report=report)
                    item._initrequest()
                    break
                item.ihook.pytest_runtest_logreport(report=report)
            else:
                break
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
    def pytest_report_teststatus(report):
        if report.outcome == "rerun": return "rerun", "R", ("RERUN", {"yellow": True})
"""
FLAKY = """
    import pytest
    tries = {"second": 0, "setup": 0}
    @pytest.mark.again(2)
    def test_second():
        tries["second"] += 1
        print("try", tries["second"])
        assert tries["second"] == 2
    @pytest.fixture
    def shaky():
        tries["setup"] += 1
        if tries["setup"] < 3: raise RuntimeError("not up")
    @pytest.mark.again(2)
    def test_setup(shaky): pass
    @pytest.mark.again(1)
    def test_never(): assert 0
    @pytest.mark.again(2)
    def test_at_once(): pass
    @pytest.mark.again(2)
    @pytest.mark.xfail
    def test_xfails(): assert 0
    def test_plain(): pass
"""


@both_isolations
def test_each_try_of_a_plug_in_that_reruns_is_an_attempt(isolation: str, suite: Any) -> None:
    run = suite({"conftest.py": RERUNS, "test_flaky.py": FLAKY}).run(slots=1, pack=2, isolation=isolation)
    told = defaultdict(list)
    for result in run.results:
        told[result.test_id.rpartition("_")[2]].append((result.attempt, result.status.value, result.rerun))
    assert {
        "second": [(1, "failed", True), (2, "passed", False)],
        "setup": [(1, "error", True), (2, "error", True), (3, "passed", False)],
        "never": [(1, "failed", True), (2, "failed", False)],
        "once": [(1, "passed", False)],
        "xfails": [(1, "skipped", False)],
        "plain": [(1, "passed", False)],
    } == told


def test_a_try_keeps_its_own_error_and_output(suite: Any) -> None:
    run = suite({"conftest.py": RERUNS, "test_flaky.py": FLAKY}).run()
    first, second = (result for result in run.results if result.test_id.endswith("test_second"))
    assert "assert 1 == 2" in (first.error or "")
    assert ("try 1" in first.output, "try 2" in first.output) == (True, False)
    assert (None, True) == (second.error, "try 2" in second.output)


def test_reruns_that_end_well_leave_the_session_without_trouble(suite: Any) -> None:
    body = FLAKY.replace("@pytest.mark.again(1)", "@pytest.mark.skip")
    run = suite({"conftest.py": RERUNS, "test_flaky.py": body}).run()
    assert (0, None) == (run.ended.exit_status, run.ended.error)


def test_what_runs_again_and_passes_is_no_failure_of_the_session(suite: Any) -> None:
    body = "import os\ndef test_flaky(): assert os.environ['PULSEQ_ATTEMPT'] == '2'\n"
    folder = suite({"test_flaky.py": body})

    async def main() -> tuple[list[str], SessionResult | None]:
        session = folder.session()
        told: list[AttemptResult] = []
        try:
            for attempt in (1, 2):
                order = PytestOrder("t", "", "test_flaky.py::test_flaky", attempt=attempt)
                await session.run_items([order], on_start=lambda order: None, on_result=told.append)
            return [result.status.value for result in told], await session.finish()
        finally:
            await session.close()

    statuses, ended = asyncio.run(main())
    assert ["failed", "passed"] == statuses
    assert ended is not None
    assert (0, None) == (ended.exit_status, ended.error)


def test_a_protocol_that_runs_an_item_and_reports_nothing_is_told_of(suite: Any) -> None:
    conftest = "def pytest_runtest_protocol(item): return True if 'quiet' in item.name else None\n"
    body = "def test_quiet(): pass\ndef test_loud(): pass\n"
    run = suite({"conftest.py": conftest, "test_a.py": body}).run()
    assert {"test_quiet": "error", "test_loud": "passed"} == run.verdicts()
    assert "pytest reported nothing of this item" == run["test_quiet"].error


@pytest.mark.parametrize("hook", ["pytest_runtest_makereport(item, call)", "pytest_runtest_logreport(report)"])
def test_a_hook_that_raises_breaks_its_item_and_no_other(hook: str, suite: Any) -> None:
    about = "item.name" if "item" in hook else "report.nodeid"
    conftest = f"def {hook}:\n    if 'bad' in {about}: raise RuntimeError('a faulty hook')\n"
    body = "def test_a(): pass\ndef test_bad(): pass\ndef test_c(): pass\n"
    run = suite({"conftest.py": conftest, "test_a.py": body}).run()
    assert {"test_a": "passed", "test_bad": "error", "test_c": "passed"} == run.verdicts()
    assert "a faulty hook" in (run["test_bad"].error or "")


def test_verdicts_are_told_without_pytests_terminal_reporter(suite: Any) -> None:
    run = suite({"test_a.py": "def test_passes(): pass\ndef test_fails(): assert False\n"}).run(
        args=("-p", "no:terminal")
    )
    assert run.verdicts() == {"test_passes": "passed", "test_fails": "failed"}
