"""The names of tests in JUnit, held against pytest's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import TestPlanned
from pulseq.node.read_junit import read_junit
from pulseq.reports.case_names import name_case, node_id_of, split_node_id, tell_apart

TESTS = """
import pytest

class TestPrice:
    class TestTax:
        @pytest.mark.parametrize("rate", ["a::b", "c]", "d/e.py"])
        def test_rate(self, rate): pass

def test_plain(): pass
"""


def planned(test_id: str, body: str = "pytest", **more: str) -> TestPlanned:
    return TestPlanned(test_id, more.get("variant", ""), more.get("name", ""), body, "medium", more.get("location"))


@pytest.mark.processes
def test_node_ids_are_split_as_pytest_splits_them(tmp_path: Path) -> None:
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "test_x.py").write_text(TESTS)
    (tmp_path / "unit" / "test_broken.py").write_text("import no_such_module")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--rootdir", ".", "unit"]
    options = ["--junitxml", "own.xml", "--continue-on-collection-errors"]
    ran = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    words = ("PASSED ", "ERROR ")
    said = [line.partition(" ")[2].partition(" - ")[0] for line in ran.stdout.splitlines() if line.startswith(words)]
    own = {(case.classname, case.name) for case in read_junit(tmp_path / "own.xml").cases}
    assert (5, own) == (len(own), {split_node_id(node_id) for node_id in said})


@pytest.mark.parametrize(
    ("test_id", "location", "node_id"),
    [
        ("tests/test_x.py::test_y", None, "tests/test_x.py::test_y"),
        ("unit::tests/test_x.py::test_y", None, "tests/test_x.py::test_y"),
        ("unit::tests/test_x.py", None, "tests/test_x.py"),
        ("tests/test_x.py", None, "tests/test_x.py"),
        ("docs/guide.rst::guide.rst", "docs/guide.rst:3", "docs/guide.rst::guide.rst"),
        ("notes.txt::notes.txt", "notes.txt:1", "notes.txt::notes.txt"),
        ("docs::notes.txt::notes.txt", "notes.txt:1", "notes.txt::notes.txt"),
        ("odd/entry.py::test_x.py::test_y", "test_x.py:3", "test_x.py::test_y"),
        ("unit::test_x.py::test_y[a::b.py::c]", None, "test_x.py::test_y[a::b.py::c]"),
    ],
)
def test_the_entry_of_a_suite_is_no_part_of_the_node_id(test_id: str, location: str | None, node_id: str) -> None:
    assert node_id == node_id_of(TestPlanned(test_id, "", "", "pytest", "medium", location))


def test_a_test_of_a_suite_has_the_suite_as_its_class() -> None:
    assert name_case(planned("pay", "command"), "shop") == ("shop", "pay")


def test_a_name_of_its_own_has_the_id_beside_it() -> None:
    assert name_case(planned("pay", "call", name="Pays by card"), "shop") == ("shop", "Pays by card [pay]")
    assert name_case(planned("pay", "call", name="pay"), "shop") == ("shop", "pay")


def test_a_case_of_a_junit_file_keeps_its_class_and_name() -> None:
    assert name_case(planned("java::com.shop.CartTest::adds: a::b", "command"), "s") == (
        "com.shop.CartTest",
        "adds: a::b",
    )


def test_a_case_whose_name_has_colons_is_parted_from_its_class() -> None:
    case = planned("ruby::spec::Shop::Cart adds", "command", name="Shop::Cart adds")
    assert name_case(case, "s") == ("spec", "Shop::Cart adds")


def test_a_case_or_a_file_without_a_class_has_the_suite_as_its_class() -> None:
    assert name_case(planned("java::b", "command", name="b"), "s") == ("s", "b")
    assert name_case(planned("java::[o/T.xml]", "command", name="[o/T.xml]"), "s") == ("s", "[o/T.xml]")


def test_an_id_with_colons_is_whole() -> None:
    assert name_case(planned("shop::pay", "command", name="shop::pay"), "s") == ("s", "shop::pay")


def test_variants_of_a_test_differ_in_their_names() -> None:
    assert name_case(planned("test_x.py::test_y", variant="gpu"), "s") == ("test_x", "test_y (gpu)")


def test_what_differs_keeps_its_names() -> None:
    names = [("a", "x"), ("a", "y"), ("b", "x")]
    assert names == tell_apart(names, ["a::x", "a::y", "b::x"])


def test_a_class_in_which_two_are_alike_has_its_entry_in_front() -> None:
    names = [("C", "adds"), ("C", "adds"), ("C", "totals"), ("D", "totals"), ("", "test_x"), ("", "test_x")]
    ids = [
        "java::C::adds",
        "kotlin::C::adds",
        "java::C::totals",
        "java::D::totals",
        "unit::test_x.py",
        "slow::test_x.py",
    ]
    assert [
        ("java.C", "adds"),
        ("kotlin.C", "adds"),
        ("java.C", "totals"),
        ("D", "totals"),
        ("unit", "test_x"),
        ("slow", "test_x"),
    ] == tell_apart(names, ids)


def test_a_test_without_an_entry_keeps_its_class_unless_it_is_alike_itself() -> None:
    names = [("s", "pay"), ("s", "b"), ("s", "b")]
    assert [("s", "pay"), ("java.s", "b"), ("kotlin.s", "b")] == tell_apart(names, ["pay", "java::b", "kotlin::b"])


def test_what_is_alike_even_so_is_numbered() -> None:
    names = [("C", "a"), ("C", "a"), ("C", "a"), ("e.C", "a #2")]
    assert [("e.C", "a"), ("e.C", "a #3"), ("e.C", "a #4"), ("e.C", "a #2")] == tell_apart(names, ["e::a"] * 4)


@given(st.lists(st.tuples(st.sampled_from(["", "C", "e.C"]), st.sampled_from(["a", "a #2", "b"])), max_size=12))
def test_no_two_names_are_alike(names: list[tuple[str, str]]) -> None:
    ids = [f"{'ef'[number % 2]}::{number}" for number in range(len(names))]
    assert len(names) == len(set(tell_apart(names, ids)))
