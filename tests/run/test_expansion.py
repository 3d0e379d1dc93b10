"""Entries that become tests of their own."""

from __future__ import annotations

from dataclasses import replace

from pulseq.models import AttemptResult, Priority, PytestBody, PytestItemBody, Reason, Status, TestCase
from pulseq.pytest_sessions import CollectedItem, CollectedVerdict, Collection, PytestSpec
from pulseq.run.expansion import items_of, spec_of

ENTRY = TestCase(
    "unit",
    PytestBody(("tests",), ("-m", "not slow"), pyargs=True),
    requirements={"os": "linux"},
    priority=Priority.HIGH,
    duration=60.0,
    max_retries=2,
    env={"B": "2", "A": "1"},
    cwd="/project",
    python="/project/bin/python",
    memory_limit=500_000_000,
    output_limit=1_000,
    labels={"team": "cart"},
)
COLLECTED = Collection(
    items=(
        CollectedItem("tests/test_a.py::test_x[1]", "tests/test_a.py:7", ("slow",)),
        CollectedItem("tests/test_a.py::C::test_y", "tests/test_a.py:9", scope="tests/test_a.py::C"),
    ),
    verdicts=(CollectedVerdict("tests/test_b.py", Status.ERROR, Reason.SETUP, "ImportError: no module named b"),),
)


def test_a_session_is_what_the_entry_and_the_command_line_say() -> None:
    expected = PytestSpec(
        run_id="r1",
        entry="unit",
        targets=("tests",),
        args=("-m", "not slow"),
        pyargs=True,
        cwd="/project",
        python="/project/bin/python",
        env=(("A", "1"), ("B", "2"), ("PULSEQ_VARIANT", "")),
        keyword="cart",
        markers="quick",
        memory_limit=500_000_000,
        output_limit=1_000,
    )
    assert spec_of(ENTRY, "r1", keyword="cart", markers="quick") == expected


def test_items_carry_on_what_their_entry_asks_for() -> None:
    item = items_of(ENTRY, COLLECTED, "n1", prefix=False).items[0]
    assert item == replace(
        ENTRY,
        id="tests/test_a.py::test_x[1]",
        name="test_x[1]",
        body=PytestItemBody("unit", "tests/test_a.py::test_x[1]"),
        duration=None,
        labels={"team": "cart", "slow": True},
        location="tests/test_a.py:7",
    )


def test_an_item_says_what_it_has_to_stay_with() -> None:
    items = items_of(ENTRY, COLLECTED, "n1", prefix=False).items
    assert [item.body for item in items] == [
        PytestItemBody("unit", "tests/test_a.py::test_x[1]"),
        PytestItemBody("unit", "tests/test_a.py::C::test_y", "tests/test_a.py::C"),
    ]


def test_items_of_a_suite_file_are_told_apart_by_their_entry() -> None:
    items = items_of(ENTRY, COLLECTED, "n1", prefix=True).items
    assert [item.id for item in items] == ["unit::tests/test_a.py::test_x[1]", "unit::tests/test_a.py::C::test_y"]


def test_a_file_that_cannot_be_collected_has_its_verdict_at_once() -> None:
    ((test, result),) = items_of(ENTRY, COLLECTED, "n1", prefix=True).verdicts
    assert (test.id, test.max_retries, test.location) == ("unit::tests/test_b.py", 0, "tests/test_b.py")
    assert result == AttemptResult(
        test.id, 1, "n1", Status.ERROR, reason=Reason.SETUP, error="ImportError: no module named b"
    )


def test_ids_of_items_are_bounded_and_stay_apart() -> None:
    long = "x" * 100_000
    collection = Collection(
        (CollectedItem(f"t.py::t[{long}1]", "t.py:1"), CollectedItem(f"t.py::t[{long}2]", "t.py:1"))
    )
    collected = items_of(ENTRY, collection, "n", prefix=True).items

    assert [len(case.id) for case in collected] == [1_000, 1_000]
    assert [case.body.nodeid for case in collected if isinstance(case.body, PytestItemBody)] == [
        item.nodeid for item in collection.items
    ]
    assert 2 == len({case.id for case in collected})
