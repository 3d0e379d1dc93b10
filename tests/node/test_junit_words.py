"""The one line for the failure of a JUnit case, whichever tool wrote it."""

from __future__ import annotations

import pytest

from pulseq.node.junit_words import say_shortly

GO = "=== RUN   TestCart\n    cart_test.go:17: 4, not 5\n--- FAIL: TestCart (0.00s)"
GOOGLETEST = "cart.cc:10\nExpected equality of these values:\n  4\n  5"
PHPUNIT = "CartTest::testTotals\nFailed asserting that 4 is 5.\n\n/shop/CartTest.php:12"
PLAYWRIGHT = "[firefox] › cart.spec.ts:7:3 › adds\n\n    Error: it is 4\n\n  > 7 | expect(4)"


@pytest.mark.parametrize(
    ("message", "text", "expected"),
    [
        ("expected: <5> but was: <4>", "Failed\n\tat CartTest.totals(CartTest.java:17)", "expected: <5> but was: <4>"),
        ("Values differ\nExpected: 5\nActual:   4", "at Totals()", "Values differ Expected: 5 Actual: 4"),
        (GOOGLETEST, "cart.cc:10", "Expected equality of these values: 4 5"),
        ("cart.spec.ts:7:3 adds", PLAYWRIGHT, "Error: it is 4"),
        ("", "TypeError: no till\nExpected: 5\n    at Object.toBe (cart.test.js:7:3)", "TypeError: no till"),
        ("Failed", GO, "cart_test.go:17: 4, not 5"),
        ("Failed", "stock.go:3:1: syntax error", "stock.go:3:1: syntax error"),
        (r"PHPUnit\ExpectationFailedException", PHPUNIT, "Failed asserting that 4 is 5."),
        ("TEST_CASE", "FAILED:\nno bank\nat cart.cpp:14", "no bank"),
        ("Failed", "", None),
        ("", "\n  at CartTest.java:17\n", None),
        ("x " * 1_000, "", "x " * 500),
    ],
)
def test_the_sentence_that_says_most_is_taken(message: str, text: str, expected: str | None) -> None:
    assert expected == say_shortly(message, text)
