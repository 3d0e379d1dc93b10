"""The wall clock of this machine is set, and that is noticed."""

from __future__ import annotations

import asyncio
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.processes import clock_steps as subject
from pulseq.processes.clock_steps import LEAST_SECONDS, ClockSteps, go_on


class Clocks:
    """Two clocks, of which one is set."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.steady = 100.0
        self.steps = ClockSteps(wall=lambda: self.wall, steady=lambda: self.steady)

    def pass_by(self, seconds: float, *, step: float = 0.0) -> float:
        self.steady += seconds
        self.wall += seconds + step
        return self.steps.look()


@pytest.mark.parametrize("step", [-3600.0, 3600.0, 1.0])
def test_a_step_is_told_once(step: float) -> None:
    clocks = Clocks()
    assert [0.0, step, 0.0] == pytest.approx([clocks.pass_by(1), clocks.pass_by(1, step=step), clocks.pass_by(60)])


@given(st.lists(st.floats(-LEAST_SECONDS / 2, LEAST_SECONDS / 2), max_size=20))
def test_a_clock_that_is_brought_to_the_right_time_slowly_was_not_set(drifts: list[float]) -> None:
    clocks = Clocks()
    assert all(clocks.pass_by(1, step=drift) == 0.0 for drift in drifts)


def test_each_step_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "LOOK_SECONDS", 0)
    walls = iter([0.0, 0.0, -3600.0, -3600.0, 0.0])
    told: list[float] = []

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(ClockSteps(wall=lambda: next(walls), steady=lambda: 0.0).watch(told.append))
    assert [-3600.0, 3600.0] == told


class Timer:
    """As Dask's are."""

    def __init__(self, callback: str, callback_time: float) -> None:
        self.callback, self.callback_time, self.runs = callback, callback_time, False

    def is_running(self) -> bool:
        return self.runs

    def start(self) -> None:
        self.runs = True

    def stop(self) -> None:
        self.runs = False


def test_timers_that_run_begin_anew_and_batches_are_sent() -> None:
    running, stopped = Timer("beat", 500.0), Timer("idle", 100.0)
    running.start()
    timers: dict[str, Any] = {"heartbeat": running, "other": stopped}
    sender = types.SimpleNamespace(next_deadline=7.0, waker=asyncio.Event())

    go_on([sender], timers)

    anew = timers["heartbeat"]
    assert (anew is running, running.runs, anew.runs, anew.callback, anew.callback_time) == (
        *(False, False, True),
        "beat",
        500.0,
    )
    assert timers["other"] is stopped
    assert (sender.next_deadline, sender.waker.is_set()) == (None, True)
