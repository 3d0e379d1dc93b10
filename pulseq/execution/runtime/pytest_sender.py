"""The plug-in by which a worker's controller, and through it the plug-ins there, hear what happens here."""

from __future__ import annotations

import os
import traceback
import warnings
from typing import Any, Dict, Generator, List, Optional

import pytest

from .pytest_events import EventWriter
from .pytest_xdist import WORKER_KEY

#: What `pytest_report_from_serializable` makes a report of, of what says why a test failed.
_READABLE = (str, dict, list, tuple, type(None))


class EventSender:
    """Sends what pytest tells of; what happened before there was a way to the controller waits for it.

    Args:
        path: of the file of events.
        wanted: the node ids of which it matters that they pass, where no plug-in listens; None where one does.

    Attributes:
        holds: whether the teardown of an item that has not failed is kept until `release`, since more may follow on it.
    """

    def __init__(self, path: str, wanted: Optional[List[str]]) -> None:
        self._wanted = None if wanted is None else frozenset(wanted)
        self._writer: Optional[EventWriter] = EventWriter(path)
        self._given: Dict[str, Any] = {}
        self._pid = os.getpid()
        self.holds = False
        self._held: List[Any] = []
        self._has_failed = False

    def begin(self, config: Any) -> None:
        """The session has begun."""
        self._config = config
        self._given = config.workerinput
        config.pluginmanager.register(self, "pulseq-sender")

    def turn_to(self, path: str, wanted: Optional[List[str]]) -> None:
        """In a fork: go on with a file of its own."""
        self._wanted = None if wanted is None else frozenset(wanted)
        if self._writer is not None:
            self._writer.close()
        self._writer = EventWriter(path)
        self._pid = os.getpid()

    def send(self, event: str, /, **data: Any) -> None:
        # A child that a test forked runs pytest on, if the test lets it; its words are nobody's.
        if self._writer is not None and os.getpid() == self._pid:
            self._writer.add(event, **data)

    def tell_trouble(self) -> None:
        """The exception that is handled now has ended this worker's session before its time."""
        self.send("trouble", text=traceback.format_exc())
        self.flush()

    def forget(self) -> None:
        """Say nothing of all that was, nor of what comes."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def try_again(self, nodeid: str) -> None:
        """An item runs that has failed before."""
        if self._wanted is not None:
            self.send("again", nodeid=nodeid)

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        if self._wanted is None:
            self.send("logstart", nodeid=nodeid, location=tuple(location))
            self.flush()

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        if self._held:
            self._held.append((nodeid, location))
        elif self._wanted is None:
            self.send("logfinish", nodeid=nodeid, location=tuple(location))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.release()
        self._has_failed = report.failed or (self._has_failed and report.when != "setup")
        if self.holds and report.when == "teardown" and not self._has_failed:
            self._held.append(report)
        else:
            self._send_report(report)

    def release(self, late: Any = None) -> None:
        """Tell what was held; `late` is the report of what went on of the teardown, and takes its place."""
        held, self._held = self._held, []
        for report in held[:1]:
            self._send_report(late or report)
        for nodeid, location in held[1:]:
            self.pytest_runtest_logfinish(nodeid, location)

    def _send_report(self, report: Any) -> None:
        if self._wanted is not None and not report.failed and report.nodeid not in self._wanted:
            return
        self.send("testreport", data=self._serialized(report))
        if report.failed:
            self.flush()  # it may be tried again elsewhere, which is to be told after this

    def pytest_collectreport(self, report: Any) -> None:
        if not report.passed:
            self.send("collectreport", data=self._serialized(report))

    def _serialized(self, report: Any) -> Any:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        if isinstance(data, dict):
            if not isinstance(data.get("longrepr"), _READABLE):
                data["longrepr"] = str(data["longrepr"])  # as pytest shows it; of anything else it makes no report
            data["worker_id"] = dict.__getitem__(self._given, WORKER_KEY)  # by no suite's wish to know
            data["testrun_uid"] = self._given["testrunuid"]
        return data

    def pytest_deselected(self, items: Any) -> None:
        self.send("deselected", items=[(str(item.nodeid), tuple(item.location)) for item in items])

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        message = {
            "text": str(warning_message.message),
            "category": warning_message.category.__name__,
            "module": warning_message.category.__module__,
            "filename": str(warning_message.filename),
            "lineno": warning_message.lineno,
        }
        self.send("warning", message=message, when=when, nodeid=nodeid, location=location)

    def pytest_internalerror(self, excrepr: Any) -> None:
        self.send("trouble", text=str(excrepr))
        self.flush()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: Any) -> Generator[None, Any, None]:
        output = session.config.workeroutput
        output["exitstatus"] = int(exitstatus)
        output["shouldfail"] = session.shouldfail
        output["shouldstop"] = session.shouldstop
        yield
        self.send("finished", output=output)
        self.flush()

    def tell_collected(self, names: List[str]) -> None:
        """The suite was collected, and all that was said of it counts."""
        self.send("collected", ids=names)
        self.flush()


def warning_text(message: warnings.WarningMessage, when: str) -> Dict[str, str]:
    """A warning as the node hears of it."""
    return {
        "category": message.category.__name__,
        "message": str(message.message),
        "location": f"{_relative(message.filename)}:{message.lineno}",
        "when": when,
    }


def _relative(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
