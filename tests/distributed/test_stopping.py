"""What stops a run before its end, and what then counts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import NoReturn

import pytest

from pulseq.distributed.stopping import Stopper
from pulseq.errors import ExitCode


class _Left(SystemExit):
    """The process would be gone."""


@pytest.fixture(autouse=True)
def _exits(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> NoReturn:
        raise _Left(code)

    monkeypatch.setattr(os, "_exit", leave)


def _watch(
    during: Callable[[Stopper], None], *, deadline: float | None = None, told: list[str] | None = None
) -> Stopper:
    async def watch() -> Stopper:
        stopper = Stopper((told if told is not None else []).append)
        with stopper.watching(deadline):
            during(stopper)
            await asyncio.wait_for(stopper.stopped.wait(), 30)
        return stopper

    return asyncio.run(watch())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_the_run(number: signal.Signals) -> None:
    told: list[str] = []

    stopper = _watch(lambda _: signal.raise_signal(number), told=told)

    assert stopper.code is ExitCode.INTERRUPTED
    assert told == [f"interrupted by {number.name}: ending what runs; once more to leave at once"]


def test_a_second_signal_means_now_though_the_loop_has_not_heard_of_the_first() -> None:
    def twice(_: Stopper) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(_Left) as left:
        _watch(twice)
    assert left.value.args == (2,)


def test_a_signal_to_a_run_that_is_stopping_leaves_with_its_first_reason() -> None:
    async def stop_twice() -> None:
        stopper = Stopper(lambda _: None)
        with stopper.watching(None):
            stopper.stop(ExitCode.DEADLINE, "late")
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(30)

    with pytest.raises(_Left) as left:
        asyncio.run(stop_twice())
    assert left.value.args == (124,)


def test_the_deadline_stops_the_run() -> None:
    stopper = _watch(lambda _: None, deadline=0.001)

    assert (stopper.code, stopper.why) == (ExitCode.DEADLINE, "the deadline of 0.001 s has passed")


def test_only_the_first_reason_counts() -> None:
    told: list[str] = []
    stopper = Stopper(told.append)

    stopper.stop(ExitCode.INTERNAL_ERROR, "the disk is full")
    stopper.stop(ExitCode.DEADLINE, "late")

    assert (stopper.code, stopper.why, told) == (ExitCode.INTERNAL_ERROR, "the disk is full", ["the disk is full"])


def test_after_the_run_signals_are_whose_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)

    _watch(lambda stopper: stopper.stop(ExitCode.DEADLINE, "late"))

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_that_is_over_stays_what_it_came_to() -> None:
    told: list[str] = []
    stopper = Stopper(told.append)

    stopper.run_is_over()
    stopper.stop(ExitCode.DEADLINE, "late")

    assert (stopper.code, stopper.stopped.is_set(), told) == (None, False, [])


def test_a_second_signal_still_ends_what_a_finished_run_has_left_to_do() -> None:
    def twice(stopper: Stopper) -> None:
        stopper.run_is_over()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(_Left) as left:
        _watch(twice)
    assert left.value.args == (2,)
