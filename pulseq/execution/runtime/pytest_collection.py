"""The plugin that takes pytest over after it has collected, and tells what it collected."""

from __future__ import annotations

import contextlib
import gc
import socket
import time
from typing import Any, Callable, Generator, Iterator

import pytest

from .pytest_rewriting import shared_rewriting
from .pytest_runner import Runner
from .pytest_verdict import clip, reason_of_skip

#: What would start processes, wait for a person, stop half-way or report the whole, in a session
#: whose items are dealt out. Where an option does not exist, its plugin is not there.
_NEUTRAL_OPTIONS: dict[str, Any] = {
    "numprocesses": None,
    "maxprocesses": None,
    "dist": "no",
    "tx": [],
    "looponfail": False,
    "usepdb": False,
    "trace": False,
    "maxfail": 0,
    "stepwise": False,
    "xmlpath": None,
    "htmlpath": None,
}

#: While a suite is collected nearly all that is made is kept: looking through it for garbage after every
#: 700 new objects, as Python does, takes a third of the time.
_COLLECTING_THRESHOLDS = (10_000, 10, 10)


class CollectionPlugin:
    """Registered with pytest in the zygote.

    Attributes:
        trouble: pytest's own words about why it did not come to the end of its collection.
        serving: whether it did, and the items were handed to `serve`.
    """

    def __init__(self, request: dict[str, Any], serve: Callable[[Any], Any]) -> None:
        self.trouble: list[str] = []
        self.serving = False
        self._request = request
        self._serve = serve
        self._reports: list[Any] = []
        self._deselected = 0
        self._started = time.monotonic()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_cmdline_parse(self) -> Generator[None, Any, None]:
        self._note_usage_error((yield))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_cmdline_main(self, config: Any) -> Generator[None, Any, None]:
        _neutralise(config.option)
        _narrow(config.option, "keyword", self._request["keyword"])
        _narrow(config.option, "markexpr", self._request["markers"])
        self._note_usage_error((yield))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_sessionstart(self, session: Any) -> Generator[None, Any, None]:
        _become_worker(session.config, self._request)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session: Any) -> Generator[None, Any, None]:
        request = self._request
        with rare_garbage_collection(), shared_rewriting(session, request["rewritten"], request["helpers"]):
            yield

    def pytest_collectreport(self, report: Any) -> None:
        if not report.passed:
            self._reports.append(report)

    def pytest_deselected(self, items: Any) -> None:
        self._deselected += len(items)

    def pytest_internalerror(self, excrepr: Any) -> None:
        if not self.serving:
            self.trouble.append(str(excrepr))

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        if not self.serving:
            self.trouble.append(f"{excinfo.typename}: {excinfo.value}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        if session.config.option.collectonly:
            self.trouble.append("--collect-only runs nothing: leave it out")
            return True
        self.serving = True
        session.testsfailed = 0
        session.shouldfail = session.shouldstop = False
        link = self._serve(session)
        Runner(session, link).run()
        return True

    def collection(self, session: Any) -> dict[str, Any]:
        """The message that tells the node what there is to run."""
        names = unique_names([item.nodeid for item in session.items])
        return {
            "op": "collected",
            "items": [
                [names[index], _location(item), list(dict.fromkeys(mark.name for mark in item.iter_markers()))]
                for index, item in enumerate(session.items)
            ],
            "verdicts": [_verdict(report) for report in self._reports],
            "deselected": self._deselected,
            "seconds": time.monotonic() - self._started,
        }

    def _note_usage_error(self, outcome: Any) -> None:
        error = outcome.excinfo[1] if outcome.excinfo else None
        if isinstance(error, pytest.UsageError):
            self.trouble.append("\n".join(str(argument) for argument in error.args))


@contextlib.contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Look for garbage less often; a suite that sets thresholds of its own meanwhile keeps them."""
    usual = gc.get_threshold()
    gc.set_threshold(*_COLLECTING_THRESHOLDS)
    try:
        yield
    finally:
        if gc.get_threshold() == _COLLECTING_THRESHOLDS:
            gc.set_threshold(*usual)


def unique_names(nodeids: list[str]) -> list[str]:
    """The node ids, a repeated one with a number: with --keep-duplicates an item is there twice."""
    seen: dict[str, int] = {}
    names = []
    for nodeid in nodeids:
        seen[nodeid] = seen.get(nodeid, 0) + 1
        names.append(nodeid if seen[nodeid] == 1 else f"{nodeid}#{seen[nodeid]}")
    return names


def _neutralise(option: Any) -> None:
    for name, value in _NEUTRAL_OPTIONS.items():
        if hasattr(option, name):
            setattr(option, name, value)


def _become_worker(config: Any, request: dict[str, Any]) -> None:
    """Make plugins behave from here on as in a worker of pytest-xdist, which is what a runner is to them.

    The cache is then read but not written, and fixtures that keep workers apart (databases,
    ports) work. Not before the session starts: until then the zygote is what a controller is,
    and plugins that would ask their controller for something in `pytest_configure` do not.
    """
    root = str(config.rootpath)
    config.workerinput = {
        "workerid": request["worker"],
        "workercount": request["workers"],
        "testrunuid": request["run_id"],
        "mainargv": list(request["args"]),
        # What pytest-cov tells its workers: they write data files of their own, to be combined.
        "cov_master_host": socket.gethostname(),
        "cov_master_topdir": root,
        "cov_master_rsync_roots": [root],
    }
    config.workeroutput = {}


def _narrow(option: Any, name: str, expression: str | None) -> None:
    """Ask for `expression` as well as for what the suite's own arguments ask for."""
    if expression:
        own = getattr(option, name, "")
        setattr(option, name, f"({own}) and ({expression})" if own else expression)


def _location(item: Any) -> str:
    path, line, _ = item.location
    return str(path) if line is None else f"{path}:{line + 1}"


def _verdict(report: Any) -> dict[str, str]:
    if report.skipped:
        return {"nodeid": report.nodeid, "status": "skipped", "reason": "skip", "error": clip(reason_of_skip(report))}
    return {"nodeid": report.nodeid, "status": "error", "reason": "setup", "error": clip(report.longreprtext)}
