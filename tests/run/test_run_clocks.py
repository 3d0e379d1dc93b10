"""Times of nodes whose clocks differ, on the clock of the driver."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pulseq.cluster.cluster import LiveNode
from pulseq.events import NodeHealth, RunNote
from pulseq.models import AttemptResult, Liveness, Status
from pulseq.protocol.clock_offset import ClockOffset
from pulseq.protocol.from_node import AttemptEnd, AttemptStart, CasesFound, TaskRunState
from pulseq.protocol.node_probe import Answer
from pulseq.run.run_clocks import RunClocks, shifted, within
from tests.run.told import Told

NODE = LiveNode("n", "tcp://h:1", "lab1", 2, {}, "first", labels={"clock": "another kernel"})
HERE = replace(NODE, labels={"clock": "ours"})
WARNING = (
    "the clock of node n is 41.2 s ahead: its times are put on the clock of this run, "
    "but what its tests compare with other machines is not; set it there"
)


@dataclass
class Site:
    """A cluster whose nodes answer so, one probe after the other."""

    answers: list[Answer | OSError | None]
    told: Told = field(default_factory=Told)
    wall: float = 1e9

    def __post_init__(self) -> None:
        self.clocks = RunClocks(
            cast(Any, self), self.told.emit, now=lambda: 0.0, clock_id="ours", wall=lambda: self.wall
        )

    async def probe(self, _node: LiveNode, _seconds: float) -> Answer | None:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def meet(self, node: LiveNode = NODE) -> Site:
        asyncio.run(self.clocks.meet(node))
        return self


def answer(offset: float, uncertainty: float) -> Answer:
    return Answer(2 * uncertainty, clock=ClockOffset(offset, uncertainty))


def test_a_node_that_joins_is_asked_until_its_clock_is_well_known() -> None:
    site = Site([answer(41.3, 0.5), answer(41.2, 0.004), answer(0, 0)]).meet()
    assert (len(site.answers), site.clocks.shift_of(NODE)) == (1, 41.2)
    row = NodeHealth(
        "n",
        Liveness.ACTIVE,
        address="tcp://h:1",
        slots=2,
        incarnation="first",
        host="lab1",
        clock_offset=41.2,
        clock_uncertainty=0.004,
    )
    assert [row, RunNote(WARNING)] == site.told


def test_a_link_that_is_slow_is_asked_three_times() -> None:
    site = Site([answer(0.0, 0.5)] * 4).meet()
    assert (len(site.answers), site.clocks.shift_of(NODE)) == (1, 0.0)


@pytest.mark.parametrize("said", [None, Answer(0.1), OSError("the scheduler is gone")], ids=["silent", "old", "gone"])
def test_a_clock_that_is_not_told_shifts_nothing(said: Answer | OSError | None) -> None:
    site = Site([said] * 3).meet()
    assert (site.clocks.shift_of(NODE), site.told) == (0.0, [])


@pytest.mark.parametrize("node", [HERE, replace(NODE, labels={})], ids=["the same kernel", "a fake"])
def test_a_node_of_this_machine_is_not_asked(node: LiveNode) -> None:
    site = Site([]).meet(node)
    assert (site.clocks.differs(node), site.told) == (False, [])


def test_a_node_that_does_not_tell_what_clock_it_has_is_asked() -> None:
    assert Site([]).clocks.differs(replace(NODE, labels={"clock": ""}))


def test_a_clock_that_a_later_look_finds_far_off_is_told_of_once() -> None:
    site = Site([])
    for _ in range(2):
        site.clocks.heed(NodeHealth("n", Liveness.ACTIVE, clock_offset=41.2, clock_uncertainty=0.1))
    site.clocks.heed(NodeHealth("m", Liveness.ACTIVE, clock_offset=20.0, clock_uncertainty=0.1))
    site.clocks.heed(NodeHealth("m", Liveness.SUSPECT))
    assert [RunNote(WARNING)] == site.told


def result(started_at: float, duration: float = 2.0) -> AttemptResult:
    return AttemptResult("t", 1, "n", Status.PASSED, started_at=started_at, duration=duration)


def test_what_a_node_says_has_our_times() -> None:
    site = Site([answer(100.0, 0.004)]).meet()
    on_ours = site.clocks.on_our_clock
    assert on_ours(NODE, AttemptEnd(result(1100.0))) == AttemptEnd(result(1000.0))
    assert on_ours(NODE, AttemptEnd(result(0.0))) == AttemptEnd(result(0.0))  # nothing was started
    found = CasesFound("c", "", (result(1100.0),), bad_files=(result(1200.0),))
    assert on_ours(NODE, found) == CasesFound("c", "", (result(1000.0),), bad_files=(result(1100.0),))
    start = AttemptStart("t", "", 1, None)
    assert on_ours(NODE, start) is start


def test_prefect_is_told_our_times_too() -> None:
    state = TaskRunState(UUID(int=1), "t", UUID(int=2), "COMPLETED", "Completed", "", 1103.0, 1, run_seconds=2.5)
    state = TaskRunState(
        *(state.id, state.name, state.state_id, state.state_type, state.state, state.message, 1103.0, 1),
        started_at=1100.0,
        ended_at=1103.0,
        run_seconds=3.0,
    )
    told = cast(TaskRunState, shifted(state, 100.0))
    assert (told.at, told.started_at, told.ended_at, told.scheduled_at) == (1003.0, 1000.0, 1003.0, None)
    assert told.run_seconds == 3.0


def told_in_order(site: Site, moments: list[tuple[float, str, float, float | None, float | None]]) -> list[Any]:
    """When states came to be for us: when, its type, and by the node's clock: at, started, ended."""
    states = []
    for wall, kind, at, started_at, ended_at in moments:
        site.wall = wall
        state = TaskRunState(
            UUID(int=1), "t", UUID(int=2), kind, kind, "", at, 1, started_at=started_at, ended_at=ended_at
        )
        placed = cast(TaskRunState, site.clocks.on_our_clock(NODE, state))
        states.append((placed.at, placed.started_at, placed.ended_at))
    return states


@pytest.mark.parametrize("step", [0.0, -7200.0, 7200.0])
def test_states_of_a_task_run_stay_in_order_where_the_clock_is_set_meanwhile(step: float) -> None:
    site = Site([answer(100.0, 0.004)]).meet()
    placed = told_in_order(
        site,
        [
            (1000.5, "PENDING", 1100.0, None, None),
            (1001.5, "RUNNING", 1101.0, 1101.0, None),
            (1005.0, "COMPLETED", 1104.0 + step, 1101.0, 1104.0 + step),
        ],
    )
    ended = {0.0: 1004.0, -7200.0: 1001.000002, 7200.0: 1005.0}[step]  # the API takes what is newer
    near = pytest.approx(ended, abs=1e-7, rel=0)
    assert placed == [(1000.0, None, None), (1001.0, 1001.0, None), (near, 1001.0, near)]
    assert placed[2][0] > placed[1][0]


@given(st.floats(1.7e9, 2.0e9))
def test_prefect_sees_which_of_two_states_is_the_later_one(moment: float) -> None:
    site = Site([answer(100.0, 0.004)]).meet()
    moments = [(moment + 5, "RUNNING", moment, moment, None), (moment + 6, "COMPLETED", 0.0, moment, 0.0)]
    began, ended = (datetime.fromtimestamp(at, UTC) for at, _, _ in told_in_order(site, moments))
    assert began < ended


def test_states_are_told_although_our_own_clock_was_set_back() -> None:
    site = Site([answer(100.0, 0.004)]).meet()
    moments = [(1000.5, "RUNNING", 1100.0, 1100.0, None), (500.0, "COMPLETED", 1104.0, 1100.0, 1104.0)]
    assert told_in_order(site, moments) == [(1000.0, 1000.0, None), (500.0, 1000.0, 500.0)]


def test_what_has_our_clock_stays_as_it_was() -> None:
    said = AttemptEnd(result(1000.0))
    assert Site([]).clocks.on_our_clock(HERE, said) is said


@pytest.mark.parametrize(
    ("started_at", "sent_at", "now", "expected"),
    [
        (1000.0, 999.0, 1003.0, 1000.0),
        (4600.0, 999.0, 1003.0, 1001.0),  # its clock was set back while it ran
        (-2600.0 + 1e4, 9999.0, 10_003.0, 9999.0),  # or forth
        (1000.0, 4600.0, 1003.0, 1000.0),  # ours was set back meanwhile
        (1000.0, None, 1003.0, 1000.0),
        (0.0, 999.0, 1003.0, 0.0),
    ],
)
def test_an_attempt_starts_after_it_was_sent_and_ends_before_it_is_told(
    started_at: float, sent_at: float | None, now: float, expected: float
) -> None:
    assert within(result(started_at), sent_at, now).started_at == expected


@given(
    st.floats(1, 1e9), st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e5), st.sampled_from([0.0, -3600.0, 3600.0])
)
@example(1.9500000000000028, 0.0, 127.0, 0.0, 3600.0)
def test_no_step_of_a_clock_puts_an_attempt_outside_of_its_time(
    sent_at: float, before: float, duration: float, after: float, step: float
) -> None:
    now = sent_at + before + duration + after
    placed = within(result(sent_at + before + step, duration), sent_at, now)
    assert placed.started_at >= sent_at - 1e-3 or placed.started_at == 0.0
    assert placed.started_at + placed.duration <= now + 1e-3
    assert placed.duration == duration
