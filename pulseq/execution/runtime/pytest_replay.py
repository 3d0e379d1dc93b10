"""Has the controller's plug-ins hear what happened in the workers."""

from __future__ import annotations

import traceback
import warnings
from collections import deque
from types import SimpleNamespace
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple

import pytest

from .pytest_crashes import CrashScheduler
from .pytest_events import Event
from .pytest_xdist import Node

#: Categories of the terminal's statistics in which an earlier try of an item may stand beside the last one.
_BESIDE = ("rerun", "warnings", "deselected")


class Replay:
    """The events of all workers of a session, as hook calls.

    Args:
        configure: makes a worker's node, with all hooks that are called for one.
        workers: the ids of those that there will be.

    Attributes:
        trouble: what went wrong in the session itself, not in a test.
        failures: node ids of what failed, in its last try, or could not be collected.
        suite_properties: what `record_testsuite_property` recorded.
        crashes: the items that are to run again, since a plug-in wants those so whose worker ended with them.
    """

    def __init__(self, session: Any, configure: Callable[[str], Node], workers: List[str]) -> None:
        self.trouble: List[str] = []
        self.failures: Set[str] = set()
        self.suite_properties: List[Tuple[str, str]] = []
        self.crashes = CrashScheduler(session.config)
        self._session = session
        self._config = session.config
        self._hook = session.config.hook
        self._configure = configure
        self._waiting: Dict[str, Deque[Node]] = {worker: deque([configure(worker)]) for worker in workers}
        self._running: Dict[Node, Tuple[str, Any]] = {}
        self._tried: Set[str] = set()
        self._collecting: Optional[Node] = None
        self._ends: Dict[Node, bool] = {}

    def node_of(self, worker: str) -> Node:
        """The node of a worker that is about to start, for good."""
        waiting = self._waiting.setdefault(worker, deque())
        return waiting.popleft() if waiting else self._configure(worker)

    def show_node(self, worker: str) -> Node:
        """The node that a worker will be, for the process that collects for it."""
        waiting = self._waiting.setdefault(worker, deque())
        if not waiting:
            waiting.append(self._configure(worker))
        return waiting[0]

    def take(self, node: Node, event: Event) -> None:
        """Tell of one event; a plug-in that cannot bear it is told of, and the rest goes on."""
        name, data = event
        try:
            getattr(self, f"_on_{name}")(node, **data)
        except Exception:  # noqa: BLE001 pytest would end here, with an internal error and the exit status 3
            if not self.trouble:
                self.trouble.append(f"a plug-in failed:\n{traceback.format_exc()}")

    def down(self, node: Node) -> None:
        """A worker's process has ended, and all that it said was taken."""
        finished = self._ends.pop(node, False)
        error = None if finished else "Not properly terminated"
        self.take(node, ("down", {"error": error}))

    def end(self) -> None:
        """All workers have ended: the session counts what its items came to in the end."""
        self._session.testsfailed = len(self.failures)

    def _on_ready(self, node: Node) -> None:
        self._hook.pytest_testnodeready(node=node)

    def _on_down(self, node: Node, error: Optional[str]) -> None:
        self._hook.pytest_testnodedown(node=node, error=error)
        running = self._running.pop(node, None)
        if error is not None and running is not None:
            nodeid, _ = running
            text = f"worker {node.gateway.id!r} was ended while running {nodeid!r}"
            where = (nodeid.split("::")[0], None, nodeid)
            report: Any = pytest.TestReport(nodeid, where, {}, "failed", text, "call")
            report.node = node
            self._hook.pytest_handlecrashitem(crashitem=nodeid, report=report, sched=self.crashes)
            self._report(node, report)
            self._hook.pytest_runtest_logfinish(nodeid=nodeid, location=where)

    def _on_collectreport(self, node: Node, data: Any) -> None:
        if self._is_first(node):
            report = self._hook.pytest_report_from_serializable(config=self._config, data=data)
            if report.failed:
                self.failures.add(report.nodeid)
            self._hook.pytest_collectreport(report=report)

    def _on_deselected(self, node: Node, items: List[Tuple[str, Any]]) -> None:
        if self._is_first(node):
            found = [
                SimpleNamespace(nodeid=nodeid, location=location, config=self._config) for nodeid, location in items
            ]
            self._hook.pytest_deselected(items=found)

    def _on_collected(self, node: Node, ids: List[str]) -> None:
        self._hook.pytest_xdist_node_collection_finished(node=node, ids=ids)
        # Otherwise the session would end as one that found no tests.
        self._session.testscollected = len(ids)

    def _is_first(self, node: Node) -> bool:
        """Whether this is the worker whose collection counts: each collects the same."""
        self._collecting = self._collecting or node
        return node is self._collecting

    def _on_logstart(self, node: Node, nodeid: str, location: Any) -> None:
        if nodeid in self._tried:
            self._set_aside(nodeid)
        self._tried.add(nodeid)
        self._running[node] = (nodeid, location)
        self._hook.pytest_runtest_logstart(nodeid=nodeid, location=location)

    def _on_again(self, node: Node, nodeid: str) -> None:
        self._set_aside(nodeid)

    def _on_logfinish(self, node: Node, nodeid: str, location: Any) -> None:
        self._running.pop(node, None)
        self._hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)

    def _on_testreport(self, node: Node, data: Any) -> None:
        self._report(node, self._hook.pytest_report_from_serializable(config=self._config, data=data))

    def _report(self, node: Node, report: Any) -> None:
        if report.failed:
            self.failures.add(report.nodeid)
        report.node = node
        self._hook.pytest_runtest_logreport(report=report)

    def _set_aside(self, nodeid: str) -> None:
        """An item runs again: what its earlier try came to counts as a rerun."""
        self.failures.discard(nodeid)
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        stats = getattr(reporter, "stats", {})
        for category, reports in list(stats.items()):
            if category in _BESIDE:
                continue
            earlier = [report for report in reports if getattr(report, "nodeid", None) == nodeid]
            if earlier:
                stats[category] = [report for report in reports if report not in earlier]
                if category in ("failed", "error"):
                    stats.setdefault("rerun", []).extend(earlier[:1])

    def _on_warning(self, node: Node, message: Any, when: str, nodeid: str, location: Any) -> None:
        if when == "runtest" or self._is_first(node):
            arguments = {"warning_message": _warning(message), "when": when, "nodeid": nodeid, "location": location}
            self._hook.pytest_warning_recorded.call_historic(kwargs=arguments)

    def _on_property(self, node: Node, name: str, value: str) -> None:
        if (name, value) not in self.suite_properties:
            self.suite_properties.append((name, value))

    def _on_trouble(self, node: Node, text: str) -> None:
        self.trouble.append(f"in worker {node.gateway.id}: {text}")

    def _on_finished(self, node: Node, output: Dict[str, Any]) -> None:
        node.workeroutput = output
        self._ends[node] = True


def _warning(message: Dict[str, Any]) -> warnings.WarningMessage:
    category = type(message["category"], (Warning,), {"__module__": message["module"]})
    known = getattr(__import__("builtins"), message["category"], None)
    if isinstance(known, type) and issubclass(known, Warning):
        category = known
    return warnings.WarningMessage(
        category(message["text"]), category, message["filename"], message["lineno"], None, None, None
    )
