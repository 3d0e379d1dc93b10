"""Artifacts of a flow run."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.orchestration.artifacts import artifact_key, shown_text


@pytest.mark.parametrize(
    ("suite", "key"),
    [("checkout", "checkout-summary"), ("Shop & Cart 2", "shop-cart-2-summary"), ("***", "suite-summary")],
)
def test_a_suite_has_a_history_of_its_own(suite: str, key: str) -> None:
    assert key == artifact_key(suite, "summary")


@given(st.text())
def test_any_name_makes_a_key_that_prefect_takes(suite: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", artifact_key(suite, "failures"))


def test_what_is_no_utf_8_becomes_its_escape() -> None:
    assert "a\\ud800b" == shown_text("a\ud800b")
