"""What stops a run before its end, and what then counts."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import pytest

from pulseq.errors import ExitCode
from pulseq.run import stopping
from pulseq.run.stopping import Stopper, tell_before_leaving


@pytest.fixture(autouse=True)
def left(monkeypatch: pytest.MonkeyPatch) -> _Leaving:
    leaving = _Leaving()
    monkeypatch.setattr(os, "_exit", leaving.leave)
    return leaving


class _Leaving:
    """Notes the exit code of the process that would be gone, and ends the thread that would have ended it."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self._left = threading.Semaphore(0)

    def leave(self, code: int) -> None:
        self.codes.append(code)
        self._left.release()

    def first_code(self) -> int:
        assert self._left.acquire(timeout=30)
        return self.codes[0]


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


def test_a_second_signal_means_now_though_the_loop_has_not_heard_of_the_first(left: _Leaving) -> None:
    async def twice() -> int:
        with Stopper(lambda _: None).watching(None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return left.first_code()

    assert 2 == asyncio.run(twice())


def test_a_signal_to_a_run_that_is_stopping_leaves_with_its_first_reason(left: _Leaving) -> None:
    async def stop_twice() -> int:
        stopper = Stopper(lambda _: None)
        with stopper.watching(None):
            stopper.stop(ExitCode.DEADLINE, "late")
            signal.raise_signal(signal.SIGINT)
            return left.first_code()

    assert 124 == asyncio.run(stop_twice())


def test_what_is_left_at_once_is_closed_first_and_whoever_waits_is_told_the_code(
    left: _Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(stopping, "_before_leaving", [])
    tell_before_leaving(told.append)

    async def twice() -> None:
        # A lock that the loop's thread holds is one that closing has to wait for: the handler must not.
        at_work = threading.Lock()

        def close(code: ExitCode) -> None:
            with at_work:
                told.append(f"closed {code.name}")

        with Stopper(lambda _: None, close).watching(None):
            with at_work:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
                assert told == []
            left.first_code()

    asyncio.run(twice())

    assert told == ["closed INTERRUPTED", 2]


def test_what_fails_on_leaving_keeps_nobody_from_it(left: _Leaving) -> None:
    def close(_: ExitCode) -> None:
        raise OSError("no disk")

    async def twice() -> int:
        with Stopper(lambda _: None, close).watching(None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return left.first_code()

    assert 2 == asyncio.run(twice())


def test_a_third_signal_waits_for_nothing(left: _Leaving) -> None:
    async def thrice() -> int:
        may_close = threading.Event()
        with Stopper(lambda _: None, lambda _: may_close.wait(30) and None).watching(None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert left.codes == []
            signal.raise_signal(signal.SIGINT)
            code = left.first_code()
            may_close.set()
            left.first_code()  # else the thread that closes would leave these tests, once they are on to the next
            return code

    assert 2 == asyncio.run(thrice())


def test_the_end_of_a_terminal_interrupts_the_run_but_not_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup, too
    try:
        assert _watch(lambda _: signal.raise_signal(signal.SIGHUP)).code is ExitCode.INTERRUPTED
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

        def hang_up(stopper: Stopper) -> None:
            signal.raise_signal(signal.SIGHUP)
            stopper.stop(ExitCode.DEADLINE, "late")

        assert _watch(hang_up).code is ExitCode.DEADLINE
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_that_skips_what_is_waited_for_stops_nothing_and_the_next_one_means_now(left: _Leaving) -> None:
    async def skip_and_leave() -> Stopper:
        stopper, skipped = Stopper(lambda why: None), asyncio.Event()
        with stopper.watching(None):
            with stopper.skipping(skipped.set):
                signal.raise_signal(signal.SIGINT)
                await asyncio.wait_for(skipped.wait(), 30)
            assert (None, False) == (stopper.code, stopper.stopped.is_set())
            signal.raise_signal(signal.SIGINT)
        return stopper

    asyncio.run(skip_and_leave())
    assert ExitCode.INTERRUPTED == left.first_code()


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


def test_a_second_signal_still_ends_what_a_finished_run_has_left_to_do(left: _Leaving) -> None:
    async def twice() -> int:
        stopper = Stopper(lambda _: None)
        with stopper.watching(None):
            stopper.run_is_over()
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return left.first_code()

    assert 2 == asyncio.run(twice())


@pytest.mark.parametrize(
    ("code", "awaited"),
    [(ExitCode.INTERRUPTED, True), (ExitCode.DEADLINE, True), (ExitCode.NO_VERDICT, False)],
)
def test_somebody_waits_for_the_end_of_what_was_interrupted_and_not_of_what_broke(
    code: ExitCode, awaited: bool
) -> None:
    stopper = Stopper(lambda why: None)

    stopper.stop(code, "it is so")

    assert (stopper.stopped.is_set(), stopper.awaited.is_set()) == (True, awaited)


def test_what_is_left_at_once_ends_with_the_code_that_was_written_down(left: _Leaving) -> None:
    """A test has failed and the scheduler is lost (10): the run is closed with 1, and so is the process."""

    async def leave() -> int:
        stopper = Stopper(lambda _: None, lambda _: ExitCode.TESTS_FAILED)
        with stopper.watching(None):
            stopper.stop(ExitCode.NO_VERDICT, "the scheduler is gone")
            signal.raise_signal(signal.SIGINT)
            return left.first_code()

    assert 1 == asyncio.run(leave())
