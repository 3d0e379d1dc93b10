"""Each item is started by the runner or taken back by its keeper, never both."""

from __future__ import annotations

import os
import threading

from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime.pytest_turns import MOST_TURNS, Turns, take_turn


def test_what_is_taken_back_is_not_started() -> None:
    turns = Turns()
    turns.deal(3)

    assert 2 == turns.take_back(2)
    assert [True, False] == [take_turn(turns.read_fd) for _ in range(2)]
    turns.close()


def test_no_more_is_taken_back_than_there_is() -> None:
    turns = Turns()
    turns.deal(2)

    assert [0, 2, 0] == [turns.take_back(0), turns.take_back(9), turns.take_back(1)]
    turns.close()


def test_as_many_as_are_promised_fit() -> None:
    turns = Turns()
    turns.deal(MOST_TURNS)

    assert MOST_TURNS == turns.take_back(MOST_TURNS)
    turns.close()


def test_a_runner_whose_keeper_is_gone_starts_nothing() -> None:
    turns = Turns()

    assert not take_turn(turns.part())
    os.close(turns.read_fd)


@given(st.integers(0, 300), st.lists(st.integers(1, 40), max_size=8))
def test_both_at_once_have_each_item_once(count: int, wanted: list[int]) -> None:
    turns = Turns()
    turns.deal(count)
    started: list[bool] = []

    def start_all() -> None:
        while take_turn(turns.read_fd):
            started.append(True)

    runner = threading.Thread(target=start_all)
    runner.start()
    taken = sum(turns.take_back(some) for some in wanted)
    runner.join()

    assert count == len(started) + taken
    turns.close()
