"""The names of tests in JUnit, held against pytest's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.events import TestPlanned
from pulseq.reports.case_names import name_case, node_id_of, split_node_id
from pulseq.reports.read_junit import read_junit

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


def test_a_name_is_preferred_to_an_id() -> None:
    assert name_case(planned("pay", "call", name="Pays by card"), "shop") == ("shop", "Pays by card")


def test_a_case_of_a_junit_file_keeps_its_class_and_name() -> None:
    assert name_case(planned("java::com.shop.CartTest::adds: a::b", "command"), "s") == (
        "com.shop.CartTest",
        "adds: a::b",
    )


def test_variants_of_a_test_differ_in_their_names() -> None:
    assert name_case(planned("test_x.py::test_y", variant="gpu"), "s") == ("test_x", "test_y (gpu)")
