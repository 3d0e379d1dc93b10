"""The controller of a session: a process in which the suite's plug-ins are what they are in `pytest -n`.

It collects and runs nothing. Plug-ins start what they start once a session, hear of every node and every report,
and at the end sum up, write their files, and have the last word on the exit status.
"""

from __future__ import annotations

import os
import socket
import traceback
from typing import Any, Dict, Generator, List, NoReturn, Optional

import pytest

from . import originals, wire
from .blotting import blot_result
from .pytest_crashes import mark_handled
from .pytest_leaving import leave
from .pytest_listeners import wanted_passes
from .pytest_neutral import make_neutral, pose_as_pytest, printed, refuse_running_nothing
from .pytest_node_hooks import add_node_hooks
from .pytest_replay import Replay
from .pytest_slots import SlotLines
from .pytest_summary import LastWords
from .pytest_unfit import reason_in_hooks
from .pytest_verdict import clip
from .pytest_xdist import Node, WorkerManager, changed_variables, worker_info

#: What the session's items came to is pytest's own word for an exit; these are no trouble of the session itself.
_GOOD_CODES = (0, 5)


class ControllerPlugin:
    """Registered with pytest in the controller; in pytest-xdist's place as `dsession`.

    Attributes:
        trouble: pytest's own words about why the session did not come to be.
        serving: whether it did.
    """

    def __init__(self, request: Dict[str, Any], guardian: socket.socket, private: str) -> None:
        self.trouble: List[str] = []
        self.serving = False
        self.replay: Optional[Replay] = None
        self.words = LastWords()
        self._request = request
        self._guardian = guardian
        self._private = private
        self._environment_before: Dict[str, str] = {}
        self._environment: Dict[str, Optional[str]] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Generator[None, Any, None]:
        self._distribute(early_config.known_args_namespace)
        add_node_hooks(early_config.pluginmanager)
        early_config.pluginmanager.register(_AfterXdist(self._distribute), "pulseq-after-xdist")
        yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_cmdline_parse(self) -> Generator[None, Any, None]:
        self._note_usage_error((yield))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> Generator[None, Any, None]:
        make_neutral(config.option)
        try:
            refuse_running_nothing(config.option)
        except pytest.UsageError as error:
            self.trouble.append(str(error))
            raise
        # What files set when they are imported, those of workers set themselves.
        self._environment_before = dict(os.environ)
        self._note_usage_error((yield))

    def _distribute(self, option: Any) -> None:
        option.numprocesses = self._request["workers"]
        option.dist = "load"
        # Empty: with any, pytest-xdist itself would start workers.
        option.tx = []

    def pytest_internalerror(self, excrepr: Any) -> None:
        (self.words.note if self.serving else self.trouble.append)(str(excrepr))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: Any) -> None:
        config = session.config
        request = self._request
        workers = [f"gw{number}" for number in range(request["first"], request["first"] + request["workers"])]
        manager = WorkerManager(config, workers, request["run_id"])
        config.hook.pytest_xdist_setupnodes(config=config, specs=manager.specs)
        self._environment = changed_variables(self._environment_before)
        self.replay = Replay(session, lambda worker: _configured(config, manager, worker), workers)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool:
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        assert self.replay is not None
        ready = self._ready(session.config)
        self.serving = True
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        self.words.silence(reporter)
        self.words.keep_printed(session.config)
        mark_handled(self._private, session.config)
        lines = SlotLines(self._private, self.replay, wanted_passes(session.config))
        wire.send(self._guardian, ready)
        lines.serve(self._guardian)
        self.replay.end()
        self.words.listen(reporter)
        return True

    def _ready(self, config: Any) -> Dict[str, Any]:
        return {
            "op": "ready",
            "reason": reason_in_hooks(config),
            "basetemp": _basetemp(config),
            "environment": self._environment,
        }

    def _note_usage_error(self, outcome: Any) -> None:
        error = outcome.excinfo[1] if outcome.excinfo else None
        if isinstance(error, pytest.UsageError):
            self.trouble.append("\n".join(str(argument) for argument in error.args))


class _AfterXdist:
    """Has the last word on the options, after pytest-xdist has looked at them and before pytest begins."""

    def __init__(self, distribute: Any) -> None:
        self._distribute = distribute

    def pytest_cmdline_main(self, config: Any) -> None:
        self._distribute(config.option)


def _basetemp(config: Any) -> Optional[str]:
    """Where workers make the directories of their tests; None where there is no such place, which few tests need."""
    factory = getattr(config, "_tmp_path_factory", None)
    try:
        return None if factory is None else str(factory.getbasetemp())
    except Exception:  # noqa: BLE001 a test that asks for one is told why there is none
        return None


def _configured(config: Any, manager: WorkerManager, worker: str) -> Node:
    node = Node(config, manager, worker)
    config.hook.pytest_xdist_newgateway(gateway=node.gateway)
    root = str(config.rootpath)
    node.workerinput.update(
        # What pytest-cov tells its workers; it says so again where it is there.
        {"cov_master_host": socket.gethostname(), "cov_master_topdir": root, "cov_master_rsync_roots": []}
    )
    config.hook.pytest_configure_node(node=node)
    return node


def run(guardian: socket.socket, request: Dict[str, Any], private: str) -> NoReturn:
    """Be the controller of a session, from its request to its end."""
    originals.bind(__package__)
    # Python asks a child process once what the machine is, which it cannot where a suite has patched `os`.
    worker_info()
    plugin = ControllerPlugin(request, guardian, private)
    pose_as_pytest(request["args"])
    error = None
    try:
        code = int(pytest.main(list(request["args"]), plugins=[plugin]))
    except BaseException as raised:  # noqa: BLE001 a plug-in's, which is the session's last word
        code, error = 1, f"{type(raised).__name__}: {raised}"
        plugin.words.note(traceback.format_exc())
        plugin.trouble.append(error)
    if not plugin.serving or plugin.replay is None:
        said = "\n".join(plugin.trouble) or printed()
        words = said if code != 0 or plugin.trouble else f"it ran nothing, and said: {said}"
        message = {"op": "refused", "error": clip(words), "code": code}
    else:
        message = {"op": "over", **blot_result(_result(plugin, plugin.replay, code, error))}
    wire.send(guardian, message)
    leave(code, private, is_fork=False)


def _result(plugin: ControllerPlugin, replay: Replay, code: int, error: Optional[str]) -> Dict[str, Any]:
    text = plugin.words.text()
    trouble = [*replay.trouble, *([error] if error is not None else [])]
    if code not in _GOOD_CODES and not replay.failures and not trouble:
        trouble.append(f"pytest ended with exit status {code} although no test failed")
    if error is None and plugin.words.noted:
        trouble.append(plugin.words.noted)
    return {
        "exit_status": code,
        "error": clip("\n".join([*trouble, text]) if text else "\n".join(trouble)) if trouble else None,
        "summary": clip(text),
        "properties": replay.suite_properties,
        "categories": plugin.words.categories(),
        "directory": os.getcwd(),
    }
