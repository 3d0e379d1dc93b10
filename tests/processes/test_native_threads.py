"""Slots share the processors, unless the user has said otherwise."""

from __future__ import annotations

import os

import pytest

from pulseq.processes.native_threads import VARIABLES, native_thread_limits, no_native_threads


@pytest.fixture(autouse=True)
def _eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(("slots", "threads"), [(2, "4"), (3, "2"), (8, "1"), (25, "1")])
def test_each_slot_gets_its_part(slots: int, threads: str) -> None:
    assert dict.fromkeys(VARIABLES, threads) == native_thread_limits(slots, {})


@pytest.mark.parametrize("slots", [0, 1])
def test_a_single_slot_has_all(slots: int) -> None:
    assert {} == native_thread_limits(slots, {})


@pytest.mark.parametrize("name", VARIABLES)
def test_what_the_user_has_set_stays(name: str) -> None:
    assert {} == native_thread_limits(2, {name: "3"})


def test_what_is_imported_here_starts_no_threads_and_bodies_hear_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, *others = VARIABLES
    monkeypatch.setenv(mine, "5")
    for name in others:
        monkeypatch.delenv(name, raising=False)

    with no_native_threads():
        assert {os.environ[name] for name in VARIABLES} == {"1"}

    assert os.environ[mine] == "5"
    assert not any(name in os.environ for name in others)
