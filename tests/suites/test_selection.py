"""Which tests of a suite -k and -m leave."""

from __future__ import annotations

import pytest

from pulseq.errors import NothingToRunError, UsageError
from pulseq.models import PytestBody, SimulateBody, Suite, TestCase
from pulseq.suites.selection import select

SUITE = Suite(
    "shop",
    (
        TestCase("cart-total", SimulateBody(), name="the cart adds up", labels={"slow": True}),
        TestCase("Cart-Empty", SimulateBody(), labels={"slow": False, "owner": "me"}),
        TestCase("login", SimulateBody()),
        TestCase("unit", PytestBody(("tests",))),
    ),
)


@pytest.mark.parametrize(
    ("keyword", "markers", "left"),
    [
        (None, None, ["cart-total", "Cart-Empty", "login", "unit"]),
        ("", "  ", ["cart-total", "Cart-Empty", "login", "unit"]),
        ("cart", None, ["cart-total", "Cart-Empty", "unit"]),
        ("CART and not empty", None, ["cart-total", "unit"]),
        ("adds", None, ["cart-total", "unit"]),
        (None, "slow", ["cart-total", "unit"]),
        (None, "owner or slow", ["cart-total", "Cart-Empty", "unit"]),
        (None, "SLOW", ["unit"]),
        ("login", "not slow", ["login", "unit"]),
    ],
)
def test_what_is_left(keyword: str | None, markers: str | None, left: list[str]) -> None:
    selected = select(SUITE, keyword=keyword, markers=markers)
    assert [test.id for test in selected.tests] == left


def test_a_selection_of_nothing_is_nothing_to_run() -> None:
    suite = Suite("shop", SUITE.tests[:3])
    with pytest.raises(NothingToRunError) as refusal:
        select(suite, keyword="price", markers="slow")
    assert str(refusal.value) == "none of the 3 tests of 'shop' fits -k 'price' and -m 'slow'"


@pytest.mark.parametrize(("option", "name"), [("-k", "keyword"), ("-m", "markers")])
def test_a_bad_expression_names_its_option(option: str, name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        select(SUITE, **{name: "a and"})
    assert str(refusal.value).startswith(f"{option}: found the end at column 6 of 'a and'")
