"""When what was stopped is continued, and when it is killed."""

import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime.process_tree import ProcessStat
from pulseq.execution.runtime.stopped import CONTINUATIONS, LOOK_SECONDS, LOOKS, StoppedLooks, StoppedRule

STATES = st.lists(st.sampled_from("RSDTt"))


def judge(states: str, **options: int) -> list[int | None]:
    rule = StoppedRule(**options)
    return [rule.judge(state) for state in states]


def test_what_stays_stopped_is_continued_and_at_last_killed() -> None:
    wait = [None] * (LOOKS - 1)
    expected = [*wait, signal.SIGCONT] * CONTINUATIONS + [*wait, signal.SIGKILL]
    assert judge("T" * LOOKS * (CONTINUATIONS + 1)) == expected


def test_a_stop_that_somebody_ends_in_time_is_his_own_business() -> None:
    assert set(judge(("T" * (LOOKS - 1) + "S") * 5)) == {None}


def test_who_ran_in_between_is_not_killed() -> None:
    assert signal.SIGKILL not in judge(("T" * LOOKS + "R") * (CONTINUATIONS + 3))


def test_what_is_not_to_be_continued_is_killed_at_once() -> None:
    assert judge("T" * LOOKS, continuations=0) == [None] * (LOOKS - 1) + [signal.SIGKILL]


def test_who_is_also_seen_to_by_another_may_be_given_longer() -> None:
    assert judge("T" * 2 * LOOKS, looks=2 * LOOKS) == [None] * (2 * LOOKS - 1) + [signal.SIGCONT]


def test_a_debugger_is_left_alone() -> None:
    assert set(judge("t" * 20)) == {None}


@given(STATES)
def test_nothing_is_sent_to_what_runs(states: list[str]) -> None:
    sent = judge("".join(states))
    assert all(state == "T" for state, number in zip(states, sent, strict=True) if number is not None)


@given(STATES)
def test_a_signal_takes_so_many_looks_in_a_row(states: list[str]) -> None:
    for at, number in enumerate(judge("".join(states))):
        if number is not None:
            assert states[at - LOOKS + 1 : at + 1] == ["T"] * LOOKS


@given(STATES)
def test_a_kill_comes_after_as_many_vain_continuations_as_there_may_be(states: list[str]) -> None:
    sent = judge("".join(states))
    for at, number in enumerate(sent):
        if number == signal.SIGKILL:
            before = [one for one in sent[:at] if one is not None]
            assert before[-CONTINUATIONS:] == [signal.SIGCONT] * CONTINUATIONS


@pytest.fixture
def looks() -> tuple[StoppedLooks, dict[int, ProcessStat]]:
    stats: dict[int, ProcessStat] = {}
    return StoppedLooks(stats.get), stats


def stat(state: str, parent: int = 1) -> ProcessStat:
    return ProcessStat(state, parent, 0.0, 0)


def test_looks_are_taken_no_more_often_than_once_a_second(looks) -> None:
    watched, stats = looks
    watched.watch(7)
    stats[7] = stat("T")
    times = [tick * LOOK_SECONDS / 4 for tick in range(4 * LOOKS)]
    sent = [(now, order) for now in times for order in watched.look(now, (1,))]
    assert sent == [((LOOKS - 1) * LOOK_SECONDS, (7, signal.SIGCONT))]


def test_there_is_no_look_where_nothing_is_watched(looks) -> None:
    watched, stats = looks
    assert watched.seconds_left(5.0) is None
    watched.watch(7)
    stats[7] = stat("S")
    assert (list(watched.look(5.0, (1,))), watched.seconds_left(5.25)) == ([], 0.75 * LOOK_SECONDS)


@pytest.mark.parametrize("state", [None, stat("Z"), stat("T", parent=2)], ids=["gone", "zombie", "another's"])
def test_who_has_ended_or_is_somebody_else_by_now_is_forgotten(looks, state) -> None:
    watched, stats = looks
    watched.watch(7)
    if state is not None:
        stats[7] = state
    assert [order for look in range(9) for order in watched.look(float(look), (1,))] == []
    assert watched.seconds_left(9.0) is None


def test_the_state_of_a_real_process_is_read() -> None:
    watched = StoppedLooks()
    watched.watch(os.getpid())
    assert (list(watched.look(0.0, (os.getppid(),))), watched.seconds_left(0.0)) == ([], LOOK_SECONDS)
