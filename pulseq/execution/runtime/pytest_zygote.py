"""Collects a pytest suite once, then forks a keeper for every slot that is asked for.

A child of the guardian, on whose line come any number of `fork` (worker, temp, node), each with a socket, and at
last `finish`. What it says there: `answer` with a file, or `unfit` (reason), then `forked` for each.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import sys
from typing import Any, Dict, NoReturn, Optional, Set

from . import metric, originals, process_tree, wire
from .forking import fork_silently
from .pytest_answer import AnswerFile
from .pytest_collection import WorkerPlugin
from .pytest_events import decode
from .pytest_fork import RunnerLink, Starter
from .pytest_garbage import keep_collection
from .pytest_items import items_by_name
from .pytest_keeper import RunnerKeeper
from .pytest_leaving import RandomState, disown_inheritance, leave, leave_files, refresh_greenlets
from .pytest_neutral import pose_as_pytest, printed
from .pytest_own_values import OwnValues
from .pytest_runner import take_input
from .pytest_sender import EventSender
from .pytest_slots import call_controller
from .pytest_unfit import Reads, other_threads, reason_after_collection
from .pytest_worker import free_basetemp
from .pytest_xdist import WORKER_KEY, name_worker

#: How long keepers may take to end before the process that they are forks of undoes what it has made.
_KEEPERS_SECONDS = 5.0


class Zygote:
    """The process that collects.

    Args:
        guardian: where orders come from.
        request: what to collect.
        private: the session's directory.
    """

    def __init__(self, guardian: socket.socket, request: Dict[str, Any], private: str) -> None:
        self._guardian = guardian
        self._private = private
        self._reads = Reads()
        self._values = OwnValues()
        self._keepers: Set[int] = set()
        self._line, answer = call_controller(private, f"gw{request['first']}", collects=True)
        given = decode(base64.b64decode(answer["input"]))
        name_worker(given["workerid"], given["workercount"], given["testrunuid"])
        self._basetemp = request["basetemp"]
        self._may_be_unfit = request["isolation"] == "auto"
        self._sender = EventSender(answer["events"], answer["wanted"])
        request = {**request, "basetemp": free_basetemp(self._basetemp, "collection") if self._basetemp else None}
        self._plugin = WorkerPlugin(request, self._reads.given(given), self._sender, self._serve)
        self._args = list(request["args"])

    def run(self) -> NoReturn:
        """Until the guardian has no more use for it. Runners end here, too."""
        import pytest

        originals.bind(__package__)
        metric.install_stand_in()
        pose_as_pytest(self._args)
        self._reads.watch()
        if self._may_be_unfit:
            self._values.watch()
        plugin = self._plugin
        try:
            code = int(pytest.main(self._args, plugins=[plugin]))
        except BaseException as error:
            if plugin.serving:
                self._sender.tell_trouble()
                raise
            plugin.trouble.append(f"{type(error).__name__}: {error}")
            code = 1
        if not plugin.serving:
            text = (
                "\n".join(plugin.trouble) or printed() or f"pytest ended with exit code {code} before it had collected"
            )
            self._answer({"op": "refused", "error": text})
        leave(code, self._private, is_fork=True)

    def _answer(self, message: Dict[str, Any]) -> None:
        with contextlib.closing(AnswerFile(message, self._private)) as answer:
            answer.give(self._guardian)

    def _serve(self, session: Any) -> Optional[RunnerLink]:
        """Answer with the collection, then fork keepers; returns, with its link, in runners alone."""
        self._reads.stop()
        self._values.stop()
        reason = self._reason(session.config) if self._may_be_unfit else None
        if reason is not None:
            # It ends as a worker that had nothing to do; what it said of its collection others will say.
            self._sender.forget()
            wire.send(self._guardian, {"op": "unfit", "reason": reason})
            return None
        collection = self._plugin.collection(session)
        collection["threads"] = [] if self._may_be_unfit else other_threads()
        self._sender.tell_collected([item[0] for item in collection["items"]])
        items_by_name(session)
        self._answer(collection)
        self._random = RandomState()
        keep_collection()
        return self._fork_keepers(session)

    def _reason(self, config: Any) -> Optional[str]:
        return reason_after_collection(config, self._reads, self._values, config.workerinput[WORKER_KEY])

    def _fork_keepers(self, session: Any) -> RunnerLink:
        while True:
            message, descriptors = wire.receive_packet(self._guardian, 1)
            if message is None:
                os._exit(0)
            if message["op"] == "finish":
                self._end()
            pid = self._fork_keeper() if descriptors else -1
            if pid == 0:
                return self._keep(session, socket.socket(fileno=descriptors[0]), message)
            for descriptor in descriptors:
                os.close(descriptor)
            if pid > 0:
                self._keepers.add(pid)
            wire.send(self._guardian, {"op": "forked", "line": message["line"], "pid": pid})

    def _fork_keeper(self) -> int:
        self._keepers = process_tree.still_running(self._keepers)
        try:
            return fork_silently()
        except OSError:
            # Processes or memory have run out: the node learns it by the end of the line that it passed.
            return -1

    def _keep(self, session: Any, line: socket.socket, message: Dict[str, Any]) -> RunnerLink:
        """In a keeper, and then in each of its runners."""
        process_tree.continue_when_orphaned()
        self._guardian.close()
        self._line.close()
        config = session.config
        link = RunnerKeeper(line, message, Starter(self._private, config)).serve()
        disown_inheritance()
        refresh_greenlets()
        self._random.restore()
        try:
            link.line, answer = call_controller(self._private, link.worker, collects=False)
            take_input(config, self._sender, answer)
        except OSError:
            # The controller has died, which the end of the session tells; tests have their verdicts all the same.
            self._sender.forget()
            config.workerinput["workerid"] = link.worker
        link.basetemp = free_basetemp(self._basetemp, link.worker) if self._basetemp else None
        return link

    def _end(self) -> NoReturn:
        """No fork is needed any more: undo what was made here, as the interpreter that it is."""
        process_tree.wait_for(self._keepers, _KEEPERS_SECONDS)
        self._line.close()
        leave_files(0)


def start(guardian: socket.socket, request: Dict[str, Any], private: str) -> NoReturn:
    """Be the zygote of a session."""
    try:
        zygote = Zygote(guardian, request, private)
    except OSError as error:
        print(f"the session's controller is not there: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    zygote.run()
