"""Text is bounded, and a test's own way to say no is told from an accident."""

from __future__ import annotations

import doctest
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime.pytest_collection import unique_names
from pulseq.execution.runtime.pytest_verdict import LONGEST_TEXT, clip, is_assertion, reason_of_skip


@given(st.text(), st.integers(min_value=0, max_value=3 * LONGEST_TEXT))
def test_clipped_text_is_bounded_and_keeps_both_ends(end: str, length: int) -> None:
    text = end + "x" * length + end
    clipped = clip(text)
    assert len(clipped) <= LONGEST_TEXT + 100
    assert clipped.startswith(end[:100])
    assert clipped.endswith(end[-100:])


def test_short_text_stays_as_it_is() -> None:
    assert clip("short") == "short"


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (AssertionError(), True),
        (pytest.fail.Exception("no"), True),
        (KeyError("k"), False),
        (SystemExit(1), False),
        (doctest.DocTestFailure(Any, Any, ""), True),  # type: ignore[arg-type]
    ],
)
def test_assertions_are_told_from_accidents(exception: BaseException, expected: bool) -> None:
    assert is_assertion(exception) == expected


@pytest.mark.parametrize(
    ("longrepr", "expected"),
    [(("file.py", 3, "Skipped: no device"), "no device"), (("file.py", 3, "odd"), "odd"), ("plain", "plain")],
)
def test_the_reason_of_a_skip_comes_without_pytests_word(longrepr: object, expected: str) -> None:
    report = SimpleNamespace(longrepr=longrepr, longreprtext=str(longrepr))
    assert reason_of_skip(report) == expected


@given(st.lists(st.sampled_from(["a.py::t", "a.py::u", "b.py::t"])))
def test_names_are_unique_and_the_first_of_each_is_pytests_own(nodeids: list[str]) -> None:
    names = unique_names(nodeids)
    assert len(set(names)) == len(names) == len(nodeids)
    assert set(nodeids) <= set(names)


RUNNING_TWICE = """
    from _pytest.runner import runtestprotocol
    def pytest_runtest_protocol(item, nextitem):
        for again in range({times}):
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
        return True
"""
PARTS = """
    import unittest
    class TestParts(unittest.TestCase):
        times = 0
        def test_it(self):
            TestParts.times += 1
            for number in range(3):
                with self.subTest(number=number): assert number != 1 or self.times != {fails}
"""


@pytest.mark.parametrize(("times", "fails", "status"), [(1, 1, "failed"), (2, 1, "passed"), (2, 2, "failed")])
def test_parts_that_are_reported_before_their_setup_are_of_its_try(
    times: int, fails: int, status: str, suite: Any
) -> None:
    folder = suite({"conftest.py": RUNNING_TWICE.format(times=times), "test_it.py": PARTS.format(fails=fails)})

    result = folder.run()["test_it"]

    assert (result.status.value, result.subtests.get("failed", 0)) == (status, int(status == "failed"))
    assert sum(result.subtests.values()) == 3
