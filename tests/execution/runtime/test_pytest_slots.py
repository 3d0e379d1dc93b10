"""Workers come, say what happens and go; the controller hears each out before it takes it for gone."""

from __future__ import annotations

import base64
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.execution.runtime import wire
from pulseq.execution.runtime.pytest_crashes import CrashScheduler
from pulseq.execution.runtime.pytest_events import EventWriter, decode
from pulseq.execution.runtime.pytest_slots import SlotLines, call_controller, runs_again


class Heard:
    """Takes what a replay takes, and keeps it."""

    def __init__(self) -> None:
        self.words: list[Any] = []
        self.crashes = CrashScheduler(None)

    def _node(self, worker: str) -> Any:
        gateway = SimpleNamespace(id=worker)
        return SimpleNamespace(
            worker=worker, gateway=gateway, workerinput={"workerid": worker, "from": ("plug-in", b"data")}
        )

    def node_of(self, worker: str) -> Any:
        return self._node(worker)

    def show_node(self, worker: str) -> Any:
        return self._node(f"{worker}, shown")

    def take(self, node: Any, event: Any) -> None:
        self.words.append((node.worker, *event))

    def down(self, node: Any) -> None:
        self.words.append((node.worker, "down"))
        self.crashes.mark_test_pending(f"of {node.worker}")


class Session:
    """A controller that serves in a thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.heard = Heard()
        self._guardian, theirs = socket.socketpair()
        lines = SlotLines(self.directory, self.heard, None)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=lambda: (lines.serve(theirs), lines._listener.close(), theirs.close()))
        self._thread.start()

    def finish(self) -> list[Any]:
        wire.send(self._guardian, {"op": "finish"})
        self._thread.join()
        self._guardian.close()
        return self.heard.words


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def test_a_worker_gets_what_plug_ins_have_put_there_for_it(session: Session) -> None:
    line, answer = call_controller(session.directory, "gw1", collects=False)
    line.close()
    assert {"workerid": "gw1", "from": ("plug-in", b"data")} == decode(base64.b64decode(answer["input"]))
    assert [("gw1", "ready", {}), ("gw1", "down")] == session.finish()


def test_all_that_a_worker_said_is_heard_before_its_end(session: Session) -> None:
    line, answer = call_controller(session.directory, "gw0", collects=False)
    writer = EventWriter(answer["events"])
    for number in range(3):
        writer.add("logstart", number=number)
    writer.flush()
    writer.close()
    line.close()
    said = [("gw0", "logstart", {"number": number}) for number in range(3)]
    assert [("gw0", "ready", {}), *said, ("gw0", "down")] == session.finish()


def test_workers_that_are_there_are_waited_for_after_the_last_word_of_the_guardian(session: Session) -> None:
    line, answer = call_controller(session.directory, "gw0", collects=False)
    wire.send(session._guardian, {"op": "finish"})
    writer = EventWriter(answer["events"])
    writer.add("finished", output={})
    writer.flush()
    writer.close()
    line.close()
    session._thread.join()
    session._guardian.close()
    assert [("gw0", "ready", {}), ("gw0", "finished", {"output": {}}), ("gw0", "down")] == session.heard.words


def test_what_collects_for_a_worker_is_none_itself(session: Session) -> None:
    line, answer = call_controller(session.directory, "gw0", collects=True)
    writer = EventWriter(answer["events"])
    writer.add("collected", ids=["t"])
    writer.flush()
    writer.close()
    line.close()
    assert "gw0, shown" == decode(base64.b64decode(answer["input"]))["workerid"]
    assert [("gw0, shown", "collected", {"ids": ["t"]})] == session.finish()


def test_two_workers_of_one_name_have_a_file_each(session: Session) -> None:
    calls = [call_controller(session.directory, "gw0", collects=False) for _ in range(2)]
    for line, _ in calls:
        line.close()
    assert 2 == len({answer["events"] for _, answer in calls})
    session.finish()


def test_a_caller_that_goes_without_a_word_is_nobody(session: Session) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.path.join(session.directory, "controller"))
    assert [] == session.finish()


def test_a_directory_may_have_a_longer_name_than_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    session = Session(deep)
    line, _ = call_controller(session.directory, "gw0", collects=False)
    line.close()
    assert [("gw0", "ready", {}), ("gw0", "down")] == session.finish()


def test_without_a_controller_a_worker_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        call_controller(str(tmp_path), "gw0", collects=False)


def test_a_keeper_hears_what_came_of_a_crash_once_its_worker_is_down(session: Session) -> None:
    (Path(session.directory) / "handles-crashes").touch()
    line, _ = call_controller(session.directory, "gw0", collects=False)
    other, _ = call_controller(session.directory, "gw1", collects=False)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(runs_again, session.directory, "gw0", "of gw0")
        line.close()
        assert asked.result()
    # What was marked once runs once.
    assert not runs_again(session.directory, "gw0", "of gw0")
    other.close()
    session.finish()


def test_a_keeper_does_not_ask_where_no_plug_in_would_answer(tmp_path: Path) -> None:
    assert not runs_again(str(tmp_path), "gw0", "t")
    (tmp_path / "handles-crashes").touch()
    assert not runs_again(str(tmp_path), "gw0", "t")  # the controller has gone
