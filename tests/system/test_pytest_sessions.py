"""A pytest suite by the command line: what its controller says at the end counts, and where its tests are."""

from __future__ import annotations

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
