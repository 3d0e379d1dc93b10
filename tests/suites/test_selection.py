"""Which tests of a suite -k and -m leave."""

from __future__ import annotations

import pytest
from _pytest.mark.expression import Expression
from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import NothingToRunError, UsageError
from pulseq.models import PytestBody, SimulateBody, Suite, TestCase
from pulseq.suites.selection import parse_expression, select

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


def holds(text: str, words: set[str]) -> bool:
    return parse_expression(text, "-k")(lambda word: word in words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", True),
        ("z", False),
        ("not z", True),
        ("not not a", True),
        ("a and b", True),
        ("a and z", False),
        ("z or a", True),
        ("z and z or a", True),
        ("a or z and z", True),
        ("(a or z) and z", False),
        ("not (a and z)", True),
        ("not a or b", True),
        ("  a\tand(b)  ", True),
        ("x::y[1-2]/z.py", True),
        ("android", False),
    ],
)
def test_an_expression_holds(text: str, expected: bool) -> None:
    assert holds(text, {"a", "b", "x::y[1-2]/z.py"}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a and", "found the end at column 6 of 'a and', expected a word, 'not' or '('"),
        ("a b", "found 'b' at column 3 of 'a b', expected 'and', 'or' or the end"),
        ("(a", "found the end at column 3 of '(a', expected ')'"),
        ("a)", "found ')' at column 2 of 'a)', expected 'and', 'or' or the end"),
        ("or a", "found 'or' at column 1 of 'or a', expected a word, 'not' or '('"),
        ("not", "found the end at column 4 of 'not', expected a word, 'not' or '('"),
        ("a and, b", "found ',' at column 6 of 'a and, b', expected a word, 'and', 'or', 'not' or a parenthesis"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_expression(text, "-k")
    assert str(refusal.value) == f"-k: {message}"


def test_an_expression_too_deep_is_refused() -> None:
    with pytest.raises(UsageError, match="expected at most 100 levels of 'not' and '\\('"):
        parse_expression("(" * 100_000, "-k")


words = st.sampled_from(["a", "b", "c"])
expressions = st.recursive(
    words,
    lambda inner: (
        inner.map("not {}".format)
        | inner.map("({})".format)
        | st.builds("{} and {}".format, inner, inner)
        | st.builds("{} or {}".format, inner, inner)
    ),
    max_leaves=8,
)


@given(expressions, st.sets(words))
def test_an_expression_means_the_same_to_pytest(text: str, known: set[str]) -> None:
    def matches(name: str, /, **_: object) -> bool:
        return name in known

    assert holds(text, known) == Expression.compile(text).evaluate(matches)
