"""Processors that have nothing to do."""

from __future__ import annotations

from pulseq.processes.idle_processors import IdleProcessors


def test_it_is_the_mean_since_the_last_look() -> None:
    told = [0.0, 0.0]
    idle = IdleProcessors(lambda: told[0], lambda: told[1])
    assert idle.count() is None

    found = []
    for told[0], told[1] in ((0.01, 9.0), (1.0, 1.5), (1.01, 1.5), (2.0, 1.5)):
        found.append(idle.count())
    assert [None, 1.5, 1.5, 0.0] == found


def test_a_machine_counts_it() -> None:
    told = [0.0]
    idle = IdleProcessors(lambda: told[0])
    told[0] = 1.0
    count = idle.count()
    assert count is not None
    assert 0 <= count
