"""The controller's plug-ins hear of each worker, and the session counts what its items came to in the end."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_node_hooks import add_node_hooks
from pulseq.execution.runtime.pytest_replay import Replay
from pulseq.execution.runtime.pytest_summary import LastWords
from pulseq.execution.runtime.pytest_xdist import Node, WorkerManager

PLACE = ("test_a.py", 0, "test_a")


class Ear:
    """A plug-in that hears everything."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def pytest_testnodeready(self, node: Any) -> None:
        self.heard.append(("ready", node.gateway.id))

    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        self.heard.append(("down", node.gateway.id, error, getattr(node, "workeroutput", None)))

    def pytest_xdist_node_collection_finished(self, node: Any, ids: Any) -> None:
        self.heard.append(("collected", node.gateway.id, ids))

    def pytest_collectreport(self, report: Any) -> None:
        self.heard.append(("collectreport", report.nodeid))

    def pytest_deselected(self, items: Any) -> None:
        self.heard.append(("deselected", [item.nodeid for item in items]))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.heard.append(("report", report.node.gateway.id, report.nodeid, report.outcome))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.heard.append(("finish", nodeid))

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str) -> None:
        self.heard.append(("warning", when, nodeid, warning_message.category, str(warning_message.message)))

    def of(self, *kinds: str) -> list[tuple[Any, ...]]:
        return [one for one in self.heard if one[0] in kinds]


class Stage:
    """A pytest session that is nothing but what its workers say."""

    def __init__(self, session: Any, workers: list[str]) -> None:
        self.session = session
        self.config = session.config
        self.reporter = self.config.pluginmanager.getplugin("terminalreporter")
        self.ear = Ear()
        self.config.pluginmanager.register(self.ear)
        manager = WorkerManager(self.config, workers, "run-1")
        self.replay = Replay(session, lambda worker: Node(self.config, manager, worker), workers)

    def report(self, outcome: str = "passed", when: str = "call", nodeid: str = "test_a.py::test_a") -> Any:
        report = pytest.TestReport(nodeid, PLACE, {}, outcome, None, when)  # type: ignore[arg-type]
        return self.config.hook.pytest_report_to_serializable(config=self.config, report=report)

    def try_item(self, node: Node, outcome: str, *, nodeid: str = "test_a.py::test_a", finish: bool = True) -> None:
        self.replay.take(node, ("logstart", {"nodeid": nodeid, "location": PLACE}))
        self.replay.take(node, ("testreport", {"data": self.report(outcome, nodeid=nodeid)}))
        if finish:
            self.replay.take(node, ("logfinish", {"nodeid": nodeid, "location": PLACE}))

    def stats(self) -> dict[str, int]:
        """How many reports the terminal's statistics have, by category."""
        return {category: len(reports) for category, reports in self.reporter.stats.items() if category and reports}


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Stage], None]], tuple[Stage, int]]:
    """`play(act)` has a pytest session in this process do this in place of tests; how it stood, and its exit code."""

    def run(act: Callable[[Stage], None]) -> tuple[Stage, int]:
        stages: list[Stage] = []

        class Controller:
            def pytest_load_initial_conftests(self, early_config: Any) -> None:
                add_node_hooks(early_config.pluginmanager)

            @pytest.hookimpl(tryfirst=True)
            def pytest_collection(self) -> bool:
                return True

            @pytest.hookimpl(tryfirst=True)
            def pytest_runtestloop(self, session: Any) -> bool:
                words = LastWords()
                stage = Stage(session, ["gw0", "gw1"])
                words.silence(stage.reporter)
                session.testscollected = 1
                act(stage)
                stage.replay.end()
                words.listen(stage.reporter)
                stages.append(stage)
                return True

        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        # The last of them looks through all that there is for garbage, five times.
        without = [f"-pno:{name}" for name in ("cacheprovider", "faulthandler", "unraisableexception")]
        options = ["-s", *without, f"--rootdir={tmp_path}"]
        code = int(pytest.main([*options, f"-c{tmp_path}/pytest.ini", str(tmp_path)], plugins=[Controller()]))
        return stages[0], code

    return run


Play = Callable[[Callable[[Stage], None]], tuple[Stage, int]]


def test_an_item_that_passes_at_its_second_try_is_no_failure_but_a_rerun(play: Play) -> None:
    def act(stage: Stage) -> None:
        stage.try_item(stage.replay.node_of("gw0"), "failed")
        stage.try_item(stage.replay.node_of("gw1"), "passed")

    stage, code = play(act)
    assert (0, 0, {"passed": 1, "rerun": 1}) == (code, stage.session.testsfailed, stage.stats())


def test_an_item_that_fails_at_each_try_is_one_failure(play: Play) -> None:
    def act(stage: Stage) -> None:
        for _ in range(3):
            stage.try_item(stage.replay.node_of("gw0"), "failed")

    stage, code = play(act)
    assert (1, 1, {"failed": 1, "rerun": 2}) == (code, stage.session.testsfailed, stage.stats())
    assert {"test_a.py::test_a"} == stage.replay.failures


def test_other_items_stay_what_they_were_when_one_is_tried_again(play: Play) -> None:
    def act(stage: Stage) -> None:
        node = stage.replay.node_of("gw0")
        stage.try_item(node, "failed", nodeid="test_a.py::test_b")
        for outcome in ("failed", "passed"):
            stage.try_item(node, outcome)

    stage, _ = play(act)
    assert (1, {"failed": 1, "passed": 1, "rerun": 1}) == (stage.session.testsfailed, stage.stats())


def test_a_worker_that_dies_in_a_test_makes_a_failed_report_of_it(play: Play) -> None:
    def act(stage: Stage) -> None:
        node = stage.replay.node_of("gw1")
        stage.replay.take(node, ("logstart", {"nodeid": "test_a.py::test_a", "location": PLACE}))
        stage.replay.down(node)

    stage, code = play(act)
    assert [
        ("down", "gw1", "Not properly terminated", None),
        ("report", "gw1", "test_a.py::test_a", "failed"),
        ("finish", "test_a.py::test_a"),
    ] == stage.ear.heard
    (report,) = stage.reporter.stats["failed"]
    assert "worker 'gw1' was ended while running 'test_a.py::test_a'" == report.longrepr
    assert (1, 1) == (code, stage.session.testsfailed)


def test_a_worker_that_dies_between_tests_makes_no_report(play: Play) -> None:
    def act(stage: Stage) -> None:
        node = stage.replay.node_of("gw0")
        stage.try_item(node, "passed")
        stage.replay.down(node)

    stage, code = play(act)
    assert [("down", "gw0", "Not properly terminated", None)] == stage.ear.of("down")
    assert (0, {"passed": 1}) == (code, stage.stats())


def test_a_worker_that_ends_in_order_gives_back_its_output(play: Play) -> None:
    def act(stage: Stage) -> None:
        node = stage.replay.node_of("gw0")
        stage.replay.take(node, ("ready", {}))
        stage.replay.take(node, ("finished", {"output": {"exitstatus": 0, "cov": (1, b"data")}}))
        stage.replay.down(node)

    stage, _ = play(act)
    assert [("ready", "gw0"), ("down", "gw0", None, {"exitstatus": 0, "cov": (1, b"data")})] == stage.ear.heard


def test_a_plug_in_that_raises_is_told_of_once_and_the_rest_goes_on(play: Play) -> None:
    class Faulty:
        def pytest_runtest_logfinish(self) -> None:
            raise RuntimeError("no room for more")

    def act(stage: Stage) -> None:
        stage.config.pluginmanager.register(Faulty())
        node = stage.replay.node_of("gw0")
        for name in "ab":
            stage.try_item(node, "passed", nodeid=f"test_a.py::test_{name}")

    stage, _ = play(act)
    (told,) = stage.replay.trouble
    assert told.startswith("a plug-in failed:\nTraceback")
    assert "RuntimeError: no room for more" in told
    assert {"passed": 2} == stage.stats()


def test_what_is_told_of_the_collection_comes_from_one_worker_alone(play: Play) -> None:
    warning = {"text": "old", "category": "DeprecationWarning", "module": "builtins", "filename": "a.py", "lineno": 3}

    def act(stage: Stage) -> None:
        report = pytest.CollectReport("test_b.py", "failed", "no such module", None)
        data = stage.config.hook.pytest_report_to_serializable(config=stage.config, report=report)
        for worker in ("gw1", "gw0"):
            node = stage.replay.node_of(worker)
            stage.replay.take(
                node, ("warning", {"message": warning, "when": "collect", "nodeid": "", "location": None})
            )
            stage.replay.take(node, ("deselected", {"items": [("test_a.py::test_z", PLACE)]}))
            stage.replay.take(node, ("collectreport", {"data": data}))
            stage.replay.take(node, ("collected", {"ids": ["test_a.py::test_a"]}))

    stage, _ = play(act)
    assert [
        ("warning", "collect", "", DeprecationWarning, "old"),
        ("deselected", ["test_a.py::test_z"]),
        ("collectreport", "test_b.py"),
    ] == stage.ear.of("warning", "deselected", "collectreport")
    assert [(worker, ["test_a.py::test_a"]) for worker in ("gw1", "gw0")] == [
        one[1:] for one in stage.ear.of("collected")
    ]
    assert 1 == stage.session.testsfailed


def test_warnings_of_tests_come_from_every_worker_and_of_unknown_kinds_keep_their_names(play: Play) -> None:
    warning = {"text": "odd", "category": "SuiteWarning", "module": "suite.odd", "filename": "a.py", "lineno": 3}

    def act(stage: Stage) -> None:
        for worker in ("gw0", "gw1"):
            data = {"message": warning, "when": "runtest", "nodeid": worker, "location": None}
            stage.replay.take(stage.replay.node_of(worker), ("warning", data))

    stage, _ = play(act)
    heard = stage.ear.of("warning")
    assert ["gw0", "gw1"] == [nodeid for _, _, nodeid, _, _ in heard]
    kind = heard[0][3]
    assert ("SuiteWarning", "suite.odd", True) == (kind.__name__, kind.__module__, issubclass(kind, Warning))


def test_a_name_that_is_no_builtin_warning_is_not_taken_for_one(play: Play) -> None:
    message = {"text": "odd", "category": "ValueError", "module": "suite.odd", "filename": "a.py", "lineno": 3}

    def act(stage: Stage) -> None:
        data = {"message": message, "when": "runtest", "nodeid": "t", "location": None}
        stage.replay.take(stage.replay.node_of("gw0"), ("warning", data))

    stage, _ = play(act)
    kind = stage.ear.of("warning")[0][3]
    assert kind is not builtins.ValueError
    assert issubclass(kind, Warning)
    assert [] == stage.replay.trouble


def test_properties_of_the_suite_are_taken_once(play: Play) -> None:
    def act(stage: Stage) -> None:
        for worker in ("gw0", "gw1"):
            stage.replay.take(stage.replay.node_of(worker), ("property", {"name": "build", "value": "7"}))

    stage, _ = play(act)
    assert [("build", "7")] == stage.replay.suite_properties


def test_trouble_of_a_worker_names_it(play: Play) -> None:
    stage, _ = play(
        lambda stage: stage.replay.take(stage.replay.node_of("gw1"), ("trouble", {"text": "INTERNALERROR"}))
    )
    assert ["in worker gw1: INTERNALERROR"] == stage.replay.trouble


def test_who_collects_for_a_worker_has_the_node_that_this_will_have(play: Play) -> None:
    def act(stage: Stage) -> None:
        shown = stage.replay.show_node("gw0")
        assert shown is stage.replay.node_of("gw0")
        again = stage.replay.node_of("gw0")
        assert again is not shown
        assert "gw0" == again.gateway.id

    play(act)
