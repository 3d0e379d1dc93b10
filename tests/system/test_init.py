"""From an empty directory, and from a project, to a green run: `pulseq init`, then `pulseq run` without a word."""

from __future__ import annotations

import pytest

from tests.system.workplace import Workplace

pytestmark = pytest.mark.system


def test_an_empty_directory_runs_green_after_two_commands(workplace: Workplace) -> None:
    assert workplace.run("init").code == 0
    checked = workplace.run("check")
    run = workplace.run("run", "--output", "json")

    assert checked.code == 0, checked.err
    assert "nodes from pulseq.nodes.yaml: 2 with 3 slots" in checked.err
    assert run.code == 0, run.err
    assert run.json["counts"]["passed"] == 4
    rows = workplace.sql("select test_id, node_id, simulated, metrics['articles'] as articles from results order by 1")
    assert {row["test_id"]: (row["simulated"], row["articles"]) for row in rows} == {
        "basket": (False, 3.0),
        "checkout": (True, None),
        "steps": (False, None),
        "sums": (False, None),
    }
    assert [row["node_id"] for row in rows if row["test_id"] == "checkout"] == ["node2"]


def test_a_project_runs_what_it_has(workplace: Workplace) -> None:
    workplace.write("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = ['checks']\n")
    workplace.write("checks/test_shop.py", "def test_pays(): pass\ndef test_ships(): pass\n")
    workplace.write("lost/test_not_asked_for.py", "def test_no(): assert False\n")
    workplace.write("Makefile", "test:\n\ttest -d checks\n")

    assert workplace.run("init").code == 0
    run = workplace.run("run")

    assert run.code == 0, run.err
    assert {row["test_id"] for row in workplace.sql("select test_id from results")} == {
        "pytest::checks/test_shop.py::test_pays",
        "pytest::checks/test_shop.py::test_ships",
        "make",
    }
