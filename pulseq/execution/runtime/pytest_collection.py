"""The plug-in by which a pytest session is a worker's: it collects, is handed over, and tells what it collected."""

from __future__ import annotations

import time
from itertools import groupby
from typing import Any, Callable, Dict, Generator, List

import pytest

from .blotting import blot, blot_result
from .pytest_garbage import rare_garbage_collection, thaw_on_demand
from .pytest_items import unique_names
from .pytest_neutral import make_neutral, narrow
from .pytest_node_hooks import add_node_hooks
from .pytest_rewriting import shared_rewriting
from .pytest_runner import Runner
from .pytest_scheduler import scheduler_of, shared_scope
from .pytest_sender import EventSender, warning_text
from .pytest_unfit import foreign_loops
from .pytest_verdict import clip, reason_of_skip


class WorkerPlugin:
    """Registered with pytest in each process that collects.

    Args:
        serve: called with the session when it has collected; returns what links a runner to its keeper, or
            None where there is nothing to run in this process.

    Attributes:
        trouble: pytest's own words about why it did not come to the end of its collection.
        serving: whether it did, and the items were handed to `serve`.
    """

    def __init__(
        self, request: Dict[str, Any], given: Dict[str, Any], sender: EventSender, serve: Callable[[Any], Any]
    ) -> None:
        self.trouble: List[str] = []
        self.serving = False
        self._request = request
        self._given = given
        self._sender = sender
        self._serve = serve
        self._reports: List[Any] = []
        self._warnings: List[Dict[str, str]] = []
        self._deselected = 0
        self._files_were_moved = False
        self._started = time.monotonic()
        self._mode = "no"
        self._scheduler: Any = None
        thaw_on_demand()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Generator[None, Any, None]:
        add_node_hooks(early_config.pluginmanager)
        yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_cmdline_parse(self) -> Generator[None, Any, None]:
        outcome = yield
        self._note_usage_error(outcome)
        if outcome.excinfo is None:
            self._become_worker(outcome.get_result())

    def _become_worker(self, config: Any) -> None:
        """From here on a worker of pytest-xdist, in all that plug-ins can see."""
        self._mode = str(getattr(config.option, "dist", "no"))
        if hasattr(config.option, "dist"):
            config.option.loadgroup = False  # it would write the groups into the node ids
        make_neutral(config.option)
        config.option.basetemp = self._request["basetemp"]
        config.workerinput = self._given
        config.workeroutput = {}
        self._sender.begin(config)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> Generator[None, Any, None]:
        narrow(config.option, "keyword", self._request["keyword"])
        narrow(config.option, "markexpr", self._request["markers"])
        self._note_usage_error((yield))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session: Any) -> Generator[None, Any, None]:
        request = self._request
        with rare_garbage_collection(), shared_rewriting(session, request["rewritten"], request["helpers"]):
            yield
        self._scheduler = scheduler_of(session.config, self._mode, self._given["workercount"])

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: List[Any]) -> Generator[None, Any, None]:
        before = _files_of(items)
        yield
        self._files_were_moved = not _is_part(_files_of(items), before)

    def pytest_collectreport(self, report: Any) -> None:
        if not report.passed:
            self._reports.append(report)

    def pytest_deselected(self, items: Any) -> None:
        self._deselected += len(items)

    def pytest_warning_recorded(self, warning_message: Any, when: str, location: Any) -> None:
        if not self.serving:
            self._warnings.append(warning_text(warning_message, when))

    def pytest_internalerror(self, excrepr: Any) -> None:
        if not self.serving:
            self.trouble.append(str(excrepr))

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        if not self.serving:
            self.trouble.append(f"{excinfo.typename}: {excinfo.value}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        self.serving = True
        session.testsfailed = 0
        session.shouldfail = session.shouldstop = False
        link = self._serve(session)
        if link is not None:
            Runner(session, link, self._sender).run()
        return True

    def collection(self, session: Any) -> Dict[str, Any]:
        """The message that tells the node what there is to run."""
        names = unique_names([item.nodeid for item in session.items])
        message = {
            "op": "collected",
            "items": [
                [
                    names[index],
                    blot(_location(item)),
                    list(dict.fromkeys(blot(mark.name) for mark in item.iter_markers())),
                    shared_scope(item, self._mode, self._scheduler),
                ]
                for index, item in enumerate(session.items)
            ],
            "verdicts": [_verdict(report) for report in self._reports],
            "deselected": self._deselected,
            "ordered": self._files_were_moved,
            "loops": foreign_loops(session.config),
            "warnings": self._warnings,
            "seconds": time.monotonic() - self._started,
        }
        return blot_result(message)

    def _note_usage_error(self, outcome: Any) -> None:
        error = outcome.excinfo[1] if outcome.excinfo else None
        if isinstance(error, pytest.UsageError):
            self.trouble.append("\n".join(str(argument) for argument in error.args))


def _files_of(items: List[Any]) -> List[Any]:
    """The files of items in their order, one as often as others stand between its items."""
    return [path for path, _ in groupby(items, key=lambda item: item.location[0])]


def _is_part(files: List[Any], before: List[Any]) -> bool:
    """Whether these are the files of before in the same order, but for some that are missing now."""
    remaining = iter(before)
    return all(path in remaining for path in files)


def _location(item: Any) -> str:
    path, line, _ = item.location
    return str(path) if line is None else f"{path}:{line + 1}"


def _verdict(report: Any) -> Dict[str, str]:
    if report.skipped:
        error = clip(reason_of_skip(report))
        return {"nodeid": blot(report.nodeid), "status": "skipped", "reason": "skip", "error": error}
    return {"nodeid": blot(report.nodeid), "status": "error", "reason": "setup", "error": clip(report.longreprtext)}
