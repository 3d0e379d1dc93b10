"""A pytest suite by the command line: what its controller says at the end counts, and where its tests are."""

from __future__ import annotations

import pytest

from tests.system.workplace import Workplace

GATE = """
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        session.exitstatus = 1
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("SUMMARY OF MINE")
"""


def test_a_gate_of_the_suite_is_a_row_of_its_own(workplace: Workplace) -> None:
    workplace.write("checks/pytest.ini", "[pytest]\n")
    workplace.write("checks/conftest.py", GATE)
    workplace.write("checks/test_ok.py", "def test_ok(): pass\n")
    run = workplace.run("run", "checks", "-n", "2")
    assert 1 == run.code, run.err
    rows = workplace.sql("select test_id, status, error from results")
    told = {row["test_id"].rpartition("::")[2]: row for row in rows}
    assert {"test_ok": "passed", "[session]": "failed"} == {name: row["status"] for name, row in told.items()}
    assert "SUMMARY OF MINE" in told["[session]"]["error"]


def test_without_a_path_testpaths_are_run(workplace: Workplace) -> None:
    workplace.write("pytest.ini", "[pytest]\ntestpaths = unit\n")
    workplace.write("unit/test_u.py", "def test_u(): pass\n")
    workplace.write("other/test_o.py", "def test_o(): assert 0\n")
    run = workplace.run("run")
    assert 0 == run.code, run.err
    (row,) = workplace.sql("select test_id from results")
    assert row["test_id"].endswith("test_u.py::test_u")


#: As pytest-django does it: what is of one kind goes first, wherever it stands.
SORTED = """
import os, pathlib, pytest
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "late" in item.name)
    for number, item in enumerate(items):
        item.number = number
@pytest.fixture(autouse=True)
def noted(request):
    with open(pathlib.Path(__file__).parent / os.environ["PYTEST_XDIST_WORKER"], "a") as order:
        print(request.node.number, file=order)
"""
KINDS = """
import time, pytest
@pytest.mark.parametrize("n", range(20))
def test_late(n): pass
@pytest.mark.parametrize("n", range(20))
def test_first(n): time.sleep(0.02 * (n % 3))
"""


@pytest.mark.slow
def test_each_slot_goes_forward_alone_where_a_hook_has_ordered_the_items(workplace: Workplace) -> None:
    workplace.write("sorted/pytest.ini", "[pytest]\n")
    workplace.write("sorted/conftest.py", SORTED)
    for name in "abc":
        workplace.write(f"sorted/test_{name}.py", KINDS)
    for _ in range(2):  # the second time durations are known
        run = workplace.run("run", "sorted", "-n", "2")
        assert 0 == run.code, run.err
        orders = [[int(line) for line in path.read_text().split()] for path in (workplace.path / "sorted").glob("gw*")]
        assert sorted(number for order in orders for number in order) == list(range(120))
        assert 2 == len(orders)
        assert all(order == sorted(order) for order in orders)
        for path in (workplace.path / "sorted").glob("gw*"):
            path.unlink()
