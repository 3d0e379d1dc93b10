"""In what steps an API is told; a real one is told in tests/system/test_prefect_sync."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from prefect.states import Completed

from pulseq.engine import missed_states
from pulseq.engine.missed_states import MissedState, tell_states


class _Api:
    """An API that records the events which it took when it is asked, so many at a time."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.waiting: list[str] = []
        self.recorded: list[str] = []
        self.most_waiting = 0
        self._client = self

    async def post(self, path: str, json: list[dict[str, Any]]) -> _Api:
        assert path == "/events"
        self.waiting += [event["resource"]["prefect.resource.id"].removeprefix("prefect.task-run.") for event in json]
        self.most_waiting = max(self.most_waiting, len(self.waiting))
        return self

    def raise_for_status(self) -> None:
        """It takes everything."""

    def record(self) -> None:
        self.recorded += self.waiting[: self.at_once]
        del self.waiting[: self.at_once]


def _tell(api: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(missed_states, "_PAUSE_SECONDS", 0.0)
    missed = [MissedState(str(uuid4()), f"t{number}", Completed(name="Passed")) for number in range(count)]

    async def count_missing() -> int:
        api.record()
        return count - len(api.recorded)

    asyncio.run(tell_states(api, str(uuid4()), missed, count_missing))
    return [one.id for one in missed]


def test_a_recorder_is_never_fed_more_than_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    api = _Api(at_once=30)

    told = _tell(api, 1000, monkeypatch)

    assert sorted(api.recorded) == sorted(told)
    assert api.most_waiting <= 400


def test_a_recorder_that_stalls_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed_states, "_STALL_SECONDS", 0.01)
    api = _Api(at_once=0)

    told = _tell(api, 300, monkeypatch)

    assert (api.waiting, api.recorded) == (told, [])
