"""Runs batches of collected items as a worker of pytest-xdist would, and keeps the session's fixtures between them."""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import nullcontext
from typing import Any, ContextManager, Dict, List, Optional

import pytest

from . import metric, wire
from .blotting import blot, blot_result
from .body_environment import clean_text
from .pytest_artifacts import ItemArtifacts
from .pytest_events import decode
from .pytest_fork import RunnerLink, become_worker
from .pytest_garbage import keep_again
from .pytest_items import items_by_name, unknown_item
from .pytest_sender import EventSender
from .pytest_turns import take_turn
from .pytest_verdict import ItemVerdict, told_late

#: One variable of an environment has to stay well below the kernel's limit for it.
_LONGEST_ID = 16 * 1024


class Runner:
    """One slot's pytest session from its collection on; also its plugin that hears the reports."""

    def __init__(self, session: Any, link: RunnerLink, sender: EventSender) -> None:
        self._session = session
        self._link = link
        self._sender = sender
        self._pid = os.getpid()
        self._verdict = ItemVerdict(session.config)
        self._verdict.recorder.on_suite_property = lambda name, value: sender.send("property", name=name, value=value)
        self._last_item: Any = None
        self._last_status = "passed"
        self._moment = Moment()
        self._artifacts = ItemArtifacts(link.private, link.artifacts)

    def run(self) -> None:
        """Run batch after batch, until told to finish."""
        self._waits_for_keeper = not become_worker(self._session, self._link)
        self._items = items_by_name(self._session)
        self._session.config.pluginmanager.register(self, "pulseq-runner")
        self._session.config.pluginmanager.register(self._verdict, "pulseq-verdict")
        while True:
            message = self._receive()
            if message["op"] == "finish":
                break
            self._run_batch(message["items"], final=message["final"])
        self._settle(None)
        self._forget_terminal()

    def _receive(self) -> Dict[str, Any]:
        message = wire.receive(self._link.sock)
        if message is None:
            os._exit(1)
        return message

    def _forget_terminal(self) -> None:
        # It would have plugins sum up what nobody reads, for which Hypothesis alone imports for a second.
        manager = self._session.config.pluginmanager
        if (reporter := manager.getplugin("terminalreporter")) is not None:
            manager.unregister(reporter)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._verdict.add(report)

    def pytest_exception_interact(self, call: Any) -> None:
        self._verdict.add_exception(call.when, call.excinfo.value)

    def _run_batch(self, entries: List[List[Any]], *, final: bool) -> None:
        """Run one item after the other; each but the first has been the next of the one before."""
        position = 0
        if not self._may_start():
            return
        self._settle(self._items.get(entries[0][1]))
        self._artifacts.begin()
        announced = False
        while True:
            entry = entries[position]
            following = position + 1 < len(entries) and self._may_start()
            if following:
                nextitem = self._items.get(entries[position + 1][1])
            else:
                nextitem = None if final else self._ask_next()
                announced = False
            if not announced:
                self._moment = Moment()
                start = {"op": "start", "waits": self._waits_for_keeper, "next": self._moment.stamp(entry[0])}
                self._send(start)
            # What comes after the next one is to be known before that one begins, which may have to be asked.
            announced = following and position + 2 < len(entries)
            announced = self._run_item(entry, nextitem, entries[position + 1][0] if announced else None)
            if not following:
                return
            position += 1

    def _may_start(self) -> bool:
        return take_turn(self._link.turns_fd)

    def _ask_next(self) -> Any:
        """The item that this slot goes on with after its batch; None where there is none, nor will be."""
        self._sender.flush()
        self._send({"op": "next?"})
        answer = self._receive()
        item = self._items.get(answer["name"])
        return unknown_item(self._session) if item is None and answer["more"] else item

    def _run_item(self, entry: List[Any], nextitem: Any, upcoming: Optional[int]) -> bool:
        """Run one item, and say what comes of it, and which one begins now; whether that was said."""
        number, name, test_id, attempt = entry
        item = self._items.get(name)
        if item is None:
            message = self._verdict.of_unknown(name)
            self._tell({**message, "op": "done", "i": number, "started_at": self._moment.clock, "next": None})
            return False
        _name_in_environment(test_id, attempt)
        properties = len(item.user_properties)
        began = self._moment
        self._verdict.begin()
        if attempt > 1:
            self._sender.try_again(item.nodeid)
        broken = self._protocol(item, nextitem)
        if os.getpid() != self._pid:
            # A child that the test forked came back from it: its parent is the one to tell.
            os._exit(1)
        ended = self._moment = Moment()
        seconds = max(ended.monotonic - began.monotonic, 1e-6)
        message = self._verdict.message(seconds)
        message.update(op="done", i=number, started_at=began.clock, memory=ended.peak_bytes / 1e6)
        message["cpu"] = 100 * (ended.cpu_seconds - began.cpu_seconds) / seconds
        self._add_metrics(message)
        self._add_artifacts(message)
        self._last_item, self._last_status = item, message["status"]
        # An item may run again in this process, and then starts without what it has said.
        del item.user_properties[properties:]
        item._report_sections.clear()
        keep_again()
        if broken is not None:
            error = f"{type(broken).__name__}: {broken}"
            message.update(status="error", reason="exception", broken=True, error=error, short=None)
        message["next"] = self._moment.stamp(upcoming) if upcoming is not None and broken is None else None
        self._tell(message)
        if broken is not None:
            raise broken
        return upcoming is not None

    def _protocol(self, item: Any, nextitem: Any) -> Optional[BaseException]:
        """Run one item; what broke out of pytest's own protocol (pytest.exit, Ctrl-C, a faulty plugin)."""
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        except BaseException as error:  # noqa: BLE001 whatever it is, it is reported and raised again
            return error
        return None

    def _tell(self, message: Dict[str, Any]) -> None:
        if self._waits_for_keeper:
            _flush_standard_files()
        self._send(message)
        if self._waits_for_keeper:
            self._receive()

    def _send(self, message: Dict[str, Any]) -> None:
        wire.send(self._link.sock, blot_result(message))

    def _add_metrics(self, message: Dict[str, Any]) -> None:
        if not _is_filled(self._link.private.metrics):
            return
        data = self._link.private.read_metrics()
        if data:
            os.truncate(self._link.private.metrics, 0)
            found, warnings = metric.parse_metrics(blot(data))
            message["metrics"].update(found)
            message["warnings"].extend(warnings)

    def _add_artifacts(self, message: Dict[str, Any]) -> None:
        self._artifacts.add_to(message, lambda: self._send({"op": "collects"}))
        if self._artifacts.collects:
            self._artifacts.begin()
            self._moment = Moment()  # the next one has not begun before

    def _settle(self, nextitem: Any) -> None:
        """Tear down what was left standing for an item that did not come: as pytest does at a session's end.

        That happens where what was promised to this slot was called off, or nothing was known to follow and nothing
        came. No hook hears of it but for the report of what fails.
        """
        state = self._session._setupstate
        stack = list(state.stack)
        kept = nextitem.listchain() if nextitem is not None else []
        if self._last_item is None or stack == kept[: len(stack)]:
            return
        self._artifacts.begin()
        self._send({"op": "teardown", "next": Moment().stamp(None)})

        def tear_down() -> None:
            __tracebackhide__ = True
            state.teardown_exact(nextitem)

        with self._captured(self._last_item):
            call: Any = pytest.CallInfo.from_call(
                tear_down, when="teardown", reraise=(KeyboardInterrupt, pytest.exit.Exception)
            )
        late: Dict[str, Any] = {"op": "late", "status": self._last_status, "reason": "setup", "output": ""}
        late.update(error=None, short=None, warnings=[], reruns=[])
        if call.excinfo is not None:
            report = pytest.TestReport.from_item_and_call(self._last_item, call)
            late.update(status="error", **told_late(report))
            self._session.config.hook.pytest_runtest_logreport(report=report)
        self._artifacts.add_to(late, lambda: self._send({"op": "collects"}))
        self._send(late)

    def _captured(self, item: Any) -> ContextManager[Any]:
        manager = self._session.config.pluginmanager.getplugin("capturemanager")
        return nullcontext() if manager is None else manager.item_capture("teardown", item)


def take_input(config: Any, sender: EventSender, answer: Dict[str, Any]) -> None:
    """In a fork that has become a worker: what its controller gives it, in place of what the collecting process had."""
    import base64

    given = decode(base64.b64decode(answer["input"]))
    config.workerinput.clear()
    config.workerinput.update(given)
    sender.turn_to(answer["events"], answer["wanted"])


class Moment:
    """The clocks and what this process has used, read once between two items."""

    def __init__(self) -> None:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.monotonic = time.monotonic()
        self.clock = time.time()
        self.cpu_seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        self.peak_bytes = own.ru_maxrss * 1024

    def stamp(self, number: Optional[int]) -> List[Any]:
        """What a keeper notes of an item, or a teardown, that starts now."""
        return [number, self.monotonic, self.clock, self.cpu_seconds]


def _name_in_environment(test_id: str, attempt: int) -> None:
    os.environ["PULSEQ_TEST_ID"] = clean_text(test_id)[:_LONGEST_ID]
    if os.environ.get("PULSEQ_ATTEMPT") != str(attempt):
        os.environ["PULSEQ_ATTEMPT"] = str(attempt)


def _is_filled(path: str) -> bool:
    try:
        return os.stat(path, follow_symlinks=False).st_size > 0
    except OSError:
        return False


def _flush_standard_files() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
