"""A node that is told to end: what it says first, and when it goes."""

from __future__ import annotations

import asyncio
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.cluster.marks import decode_marks
from pulseq.marks import MarkState
from pulseq.node import leaving as subject
from pulseq.node.leaving import leave, mark_leaving, own_name, take_back_mark


class Scheduler:
    """What a scheduler would be asked, in order."""

    def __init__(self) -> None:
        self.marks: dict[str, Any] = {}
        self.told: list[Any] = []

    async def get_metadata(self, *, keys: list[str], default: Any) -> Any:
        return self.marks or default

    async def set_metadata(self, *, keys: list[str], value: Any) -> None:
        self.marks[keys[1]] = value

    async def log_event(self, *, topic: str, msg: Any) -> None:
        self.told.append((topic, msg["event"], msg["mark"]["state"]))


class Agent:
    """A node that has so many dispatches, one look after the other, and artifacts that are awaited at as many looks."""

    node_id = "lab1"

    def __init__(self, *dispatches: int, awaited: int = 0) -> None:
        self._left = list(dispatches)
        self.awaited = awaited
        self.looks = 0
        self.left = False

    @property
    def dispatches(self) -> int:
        self.looks += 1
        return self._left.pop(0) if self._left else 0

    def awaits_artifacts(self, within_seconds: float) -> bool:
        assert subject.ARTIFACT_SECONDS == within_seconds
        self.awaited -= 1
        return self.awaited >= 0

    async def leave_runs(self) -> None:
        self.left = True


class Worker:
    def __init__(self, scheduler: Any, agent: Agent) -> None:
        self.scheduler = scheduler
        self._agent = agent
        self.closed_after: bool | None = None

    async def close(self, *, reason: str) -> None:
        self.closed_after = self._agent.left


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_POLL_SECONDS", 0)
    monkeypatch.setattr(subject, "IDLE_SECONDS", 0.01)


def test_all_runs_hear_that_it_takes_no_more() -> None:
    scheduler = Scheduler()

    asyncio.run(mark_leaving(scheduler, "lab1"))

    assert [("pulseq-nodes", "marked", "draining")] == scheduler.told
    assert own_name("lab1") == scheduler.marks["lab1"]["who"]


def test_what_it_says_is_a_mark_as_people_make_them() -> None:
    scheduler = Scheduler()

    asyncio.run(mark_leaving(scheduler, "lab1"))

    mark = decode_marks(scheduler.marks)["lab1"]
    assert (MarkState.DRAINING, "node lab1", "it was told to end") == (mark.state, mark.who, mark.why)


@pytest.mark.parametrize("state", ["draining", "cordoned"])
def test_what_a_person_said_of_it_holds_when_it_goes_and_when_it_is_back(state: str) -> None:
    scheduler = Scheduler()
    mark = {"node_id": "lab1", "state": state, "why": "new firmware", "who": "anna@desk", "at": 1.0}
    scheduler.marks["lab1"] = mark

    asyncio.run(mark_leaving(scheduler, "lab1"))
    asyncio.run(take_back_mark(scheduler, "lab1"))

    assert ({"lab1": mark}, []) == (scheduler.marks, scheduler.told)


def test_where_a_person_has_opened_it_it_says_that_it_goes() -> None:
    scheduler = Scheduler()
    scheduler.marks["lab1"] = {"node_id": "lab1", "state": "open", "who": "anna@desk"}

    asyncio.run(mark_leaving(scheduler, "lab1"))

    assert "draining" == scheduler.marks["lab1"]["state"]


def test_when_it_is_back_it_takes_its_word_back_once() -> None:
    scheduler = Scheduler()
    asyncio.run(mark_leaving(scheduler, "lab1"))

    asyncio.run(take_back_mark(scheduler, "lab1"))

    assert "open" == scheduler.marks["lab1"]["state"]


def test_it_goes_when_it_has_had_nothing_for_a_while_and_all_is_told() -> None:
    agent = Agent(2, 1, 1)
    worker = Worker(Scheduler(), agent)

    asyncio.run(leave(worker, agent))  # type: ignore[arg-type]

    assert worker.closed_after
    assert agent.looks > 3


def test_it_stays_until_what_its_tests_left_was_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count()
    monkeypatch.setattr(subject, "time", SimpleNamespace(monotonic=lambda: next(clock), time=lambda: 0.0))
    monkeypatch.setattr(subject, "IDLE_SECONDS", 2)  # two looks at the clock
    agent = Agent(awaited=50)
    worker = Worker(Scheduler(), agent)

    asyncio.run(leave(worker, agent))  # type: ignore[arg-type]

    assert worker.closed_after
    assert agent.awaited < 0


def test_it_goes_also_when_its_scheduler_is_gone() -> None:
    class Gone(Scheduler):
        async def set_metadata(self, *, keys: list[str], value: Any) -> None:
            raise ConnectionError

    agent = Agent()
    worker = Worker(Gone(), agent)

    asyncio.run(leave(worker, agent))  # type: ignore[arg-type]

    assert worker.closed_after
