"""What travels between driver and node, and how Prefect sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.engine.work import MAX_NAME_CHARACTERS, TaskRunInput, TestWork, shown_name
from pulseq.models import SimulateBody, TestCase


@pytest.mark.parametrize("name", ["cart-total", "tests/test_a.py (12 tests)", "x" * MAX_NAME_CHARACTERS, "Grüße 😀"])
def test_a_task_run_is_named_after_its_test(name: str) -> None:
    work = TestWork(name, TestCase(name, SimulateBody()), 1, 0)

    assert str(TaskRunInput(work, None)) == name


def test_a_name_that_is_too_long_is_cut_where_it_shows() -> None:
    assert shown_name("L" * 1_000_000) == "L" * (MAX_NAME_CHARACTERS - 1) + "…"


def test_half_a_character_is_spelt_out() -> None:
    assert shown_name("a\ud800b") == "a\\ud800b"


@given(st.text(st.characters(), max_size=2 * MAX_NAME_CHARACTERS))
def test_every_name_can_be_sent(name: str) -> None:
    assert len(shown_name(name).encode()) < 10_000
