from __future__ import annotations

import pytest

from pulseq.models import CommandBody, SimulateBody, Suite, TestCase
from pulseq.suites.shared_junit import say_shared_junit


def leaving(test_id: str, junit: str | None, cwd: str = "/shop") -> TestCase:
    return TestCase(test_id, CommandBody(("make",), junit=junit), cwd=cwd)


def test_a_second_test_with_the_files_of_another_is_told() -> None:
    suite = Suite("shop", (leaving("a", "out/*.xml"), leaving("b", "./out/*.xml"), leaving("c", "*.xml", "/shop/out")))
    b, c = say_shared_junit(suite)
    assert b == (
        "test 'b': its junit './out/*.xml' is that of test 'a' too, and where both run at once each takes what the "
        "other has written: have each write into a directory of its own"
    )
    assert c.startswith("test 'c': its junit '*.xml' is that of test 'a' too")


@pytest.mark.parametrize(
    "other", [leaving("b", "b.xml"), leaving("b", "a.xml", "/bank"), leaving("b", None), TestCase("b", SimulateBody())]
)
def test_tests_with_files_of_their_own_are_not_told(other: TestCase) -> None:
    assert [] == list(say_shared_junit(Suite("shop", (leaving("a", "a.xml"), other))))
