"""Runs batches of collected items in a fork, and keeps the session's fixtures between them."""

from __future__ import annotations

import copy
import os
import resource
import sys
import time
from typing import Any

import pytest

from . import metric, wire
from .body_environment import clean_text
from .pytest_fork import RunnerLink, become_worker
from .pytest_turns import take_turn
from .pytest_verdict import Verdict, clip

#: One variable of an environment has to stay well below the kernel's limit for it.
_LONGEST_ID = 16 * 1024


class Runner:
    """One slot's pytest session, continued after the fork; also its plugin that hears the reports."""

    def __init__(self, session: Any, link: RunnerLink) -> None:
        self._session = session
        self._link = link
        self._pid = os.getpid()
        self._verdict = Verdict(session.config)
        self._last_item: Any = None
        self._moment = Moment()

    def run(self) -> None:
        """Run batch after batch, until told to finish; then wider fixtures are torn down."""
        self._waits_for_keeper = not become_worker(self._session, self._link)
        self._session.config.pluginmanager.register(self, "pulseq-runner")
        while True:
            message = wire.receive(self._link.sock)
            if message is None:
                os._exit(1)
            if message["op"] == "finish":
                break
            self._run_batch(message["items"], final=message["final"])
        self._tear_down_to(None)
        self._forget_terminal()

    def _forget_terminal(self) -> None:
        # A worker of pytest-xdist has none either. It would have plugins sum up what nobody reads, for which
        # Hypothesis alone imports for a second.
        manager = self._session.config.pluginmanager
        if (reporter := manager.getplugin("terminalreporter")) is not None:
            manager.unregister(reporter)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._verdict.add(report)

    def pytest_exception_interact(self, call: Any) -> None:
        self._verdict.add_exception(call.when, call.excinfo.value)

    def _run_batch(self, entries: list[list[Any]], *, final: bool) -> None:
        if not self._may_start():
            return
        items = [self._session.items[index] for _, index, _, _ in entries]
        # A stand-in for the item that comes next: it has the same parents, so what is wider
        # than one item stays set up, as it does between two tests of one file.
        following = [*items[1:], None if final else copy.copy(items[-1])]
        self._tear_down_to(items[0])
        self._moment = Moment()
        self._send({"op": "start", "next": self._moment.stamp(entries[0][0])})
        for position, entry in enumerate(entries):
            upcoming = entries[position + 1] if position + 1 < len(entries) else None
            if not self._run_item(entry, items[position], following[position], upcoming):
                break

    def _may_start(self) -> bool:
        return take_turn(self._link.turns_fd)

    def _run_item(self, entry: list[Any], item: Any, nextitem: Any, upcoming: list[Any] | None) -> bool:
        """Run one item, and say what comes of it; whether the upcoming one is next.

        Where that one was taken back it still was `nextitem`: what the two share stays set up until the next batch.
        """
        number, _, test_id, attempt = entry
        _name_in_environment(test_id, attempt)
        properties = len(item.user_properties)
        began = self._moment
        self._verdict.begin()
        broken = self._protocol(item, nextitem)
        if os.getpid() != self._pid:
            # A child that the test forked came back from it: its parent is the one to tell.
            os._exit(1)
        ended = self._moment = Moment()
        message = self._verdict.message()
        seconds = max(ended.monotonic - began.monotonic, 1e-6)
        message.update(op="done", i=number, started_at=began.clock, memory=ended.peak_bytes / 1e6)
        message["cpu"] = 100 * (ended.cpu_seconds - began.cpu_seconds) / seconds
        self._add_metrics(message)
        self._last_item = item
        # An item may run again in this process, and then starts without what it has said.
        del item.user_properties[properties:]
        item._report_sections.clear()
        if broken is not None:
            message.update(status="error", reason="exception", broken=True, error=f"{type(broken).__name__}: {broken}")
        goes_on = upcoming is not None and broken is None and self._may_start()
        message["next"] = ended.stamp(upcoming[0]) if goes_on and upcoming is not None else None
        self._tell(message)
        if broken is not None:
            raise broken
        return goes_on

    def _protocol(self, item: Any, nextitem: Any) -> BaseException | None:
        """Run one item; what broke out of pytest's own protocol (pytest.exit, Ctrl-C, a faulty plugin)."""
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        except BaseException as error:  # noqa: BLE001 whatever it is, it is reported and raised again
            return error
        return None

    def _tell(self, message: dict[str, Any]) -> None:
        if self._waits_for_keeper:
            _flush_standard_files()
            message["waits"] = True
        self._send(message)
        if self._waits_for_keeper and wire.receive(self._link.sock) is None:
            os._exit(1)

    def _send(self, message: dict[str, Any]) -> None:
        wire.send(self._link.sock, message)

    def _add_metrics(self, message: dict[str, Any]) -> None:
        if not _is_filled(self._link.private.metrics):
            return
        data = self._link.private.read_metrics()
        if data:
            os.truncate(self._link.private.metrics, 0)
            found, warnings = metric.parse_metrics(data)
            message["metrics"].update(found)
            message["warnings"].extend(warnings)

    def _tear_down_to(self, nextitem: Any) -> None:
        """Tear down what `nextitem` does not share; the last item is to blame, as in pytest."""
        stack = list(self._session._setupstate.stack)
        kept = nextitem.listchain() if nextitem is not None else []
        if self._last_item is None or (stack == kept[: len(stack)]):
            return
        self._send({"op": "teardown", "next": Moment().stamp(None)})
        hook = self._wide_teardown_hook()
        item = self._last_item
        call = pytest.CallInfo.from_call(
            lambda: hook(item=item, nextitem=nextitem),
            when="teardown",
            reraise=(KeyboardInterrupt, pytest.exit.Exception),
        )
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item._report_sections.clear()
        error = clip(f"at teardown of a wider scope:\n{report.longreprtext}") if report.failed else None
        output = "\n".join(f"----- {title} -----\n{text}" for title, text in report.sections)
        self._send({"op": "late", "status": "error", "reason": "setup", "error": error, "output": clip(output)})

    def _wide_teardown_hook(self) -> Any:
        """The teardown hook with pytest's runner and capturing alone: other plugins heard of this item's teardown."""
        manager = self._session.config.pluginmanager
        wanted = [manager.getplugin("runner"), manager.getplugin("capturemanager")]
        others = [plugin for plugin in manager.get_plugins() if all(plugin is not one for one in wanted)]
        return manager.subset_hook_caller("pytest_runtest_teardown", remove_plugins=others)


class Moment:
    """The clocks and what this process has used, read once between two items."""

    def __init__(self) -> None:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.monotonic = time.monotonic()
        self.clock = time.time()
        self.cpu_seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        self.peak_bytes = own.ru_maxrss * 1024

    def stamp(self, number: int | None) -> list[Any]:
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
