"""How long somebody who is at work is waited for."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.processes.patience import LONGEST_PATIENCES, SAY_SECONDS, Patience, wait_patiently

PATIENCE_SECONDS = 90.0


def ends_at(looks: list[tuple[float, int]]) -> float | None:
    """The time of the look at which the wait ends; None where it goes on after the last."""
    wait = Patience(PATIENCE_SECONDS, 0.0)
    for now, signs in looks:
        try:
            wait.judge(signs, now)
        except TimeoutError:
            return now
    return None


def test_who_gives_signs_of_life_is_waited_for_past_all_patience() -> None:
    assert ends_at([(float(second), second // 60) for second in range(600)]) is None


def test_who_gives_none_is_not() -> None:
    assert ends_at([(float(second), 0) for second in range(600)]) == PATIENCE_SECONDS


def test_patience_counts_from_the_last_sign() -> None:
    assert ends_at([(float(second), min(second, 100)) for second in range(600)]) == 100 + PATIENCE_SECONDS


def test_nobody_is_waited_for_for_ever() -> None:
    longest = LONGEST_PATIENCES * PATIENCE_SECONDS
    assert ends_at([(float(second), second) for second in range(2000)]) == longest


def test_the_end_says_after_how_long() -> None:
    wait = Patience(PATIENCE_SECONDS, 0.0)
    wait.judge(1, 0.0)
    wait.judge(2, 30.0)
    with pytest.raises(TimeoutError, match=r"^120 s, the last 90 of them without a sign of life"):
        wait.judge(2, 120.0)


def test_a_long_wait_is_told_of_now_and_then() -> None:
    wait = Patience(PATIENCE_SECONDS, 0.0)
    told = [text for second in range(65) if (text := wait.judge(second, float(second)))]
    assert [text.partition(" until")[0] for text in told] == [f"{k * SAY_SECONDS:.0f} s" for k in (1, 2, 3)]


@given(st.lists(st.tuples(st.floats(0.01, 200), st.booleans()), max_size=60))
def test_a_wait_ends_after_silence_or_after_the_longest_time_alone(steps: list[tuple[float, bool]]) -> None:
    now, signs, moved_at = 0.0, 0, 0.0
    wait = Patience(PATIENCE_SECONDS, 0.0)
    wait.judge(signs, 0.0)
    for seconds, moves in steps:
        now += seconds
        signs += moves
        moved_at = now if moves else moved_at
        over = now - moved_at >= PATIENCE_SECONDS or now >= LONGEST_PATIENCES * PATIENCE_SECONDS
        if over:
            with pytest.raises(TimeoutError):
                wait.judge(signs, now)
            return
        wait.judge(signs, now)


def test_what_comes_of_it_is_handed_on() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    async def main() -> int:
        return await wait_patiently(work(), lambda: 0, PATIENCE_SECONDS, print)

    assert asyncio.run(main()) == 7


def test_who_waits_no_longer_ends_what_it_waited_for() -> None:
    async def main() -> bool:
        doing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with pytest.raises(TimeoutError):
            await wait_patiently(doing, lambda: 0, 0.05, print)
        return doing.cancelled()

    assert asyncio.run(main())


def test_signs_of_life_outlast_a_short_patience() -> None:
    signs = itertools.count()
    seen: list[int] = []

    async def main() -> str:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def look() -> int:
            seen.append(next(signs))
            if len(seen) == 4:
                ready.set_result("ready")
            return seen[-1]

        return await wait_patiently(ready, look, 0.05, print)

    assert (asyncio.run(main()), seen) == ("ready", [0, 1, 2, 3])
