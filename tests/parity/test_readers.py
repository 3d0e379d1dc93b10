"""Reports, as far as two runs share them."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest

from tests.parity.readers import (
    ABSENT,
    allure_results,
    benchmark_results,
    html_report,
    json_report,
    junit,
    output_lines,
    read_report,
    report_log,
    text_of,
)
from tests.parity.suite import Place, Reader, Report


def read(reader: Reader, tree: Path, output: str = "") -> Any:
    return reader(Place(tree, output, Path("python")))


@pytest.mark.parametrize("reader", [text_of, json_report, report_log, junit, html_report])
def test_a_report_that_is_not_there_says_so(reader: Any, tmp_path: Path) -> None:
    assert read(reader("report"), tmp_path) == ABSENT


def test_a_report_that_is_broken_says_so(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"exitcode": 1, "sum')

    found = read_report(Report("report.json", json_report("report.json")), Place(tmp_path, "", Path("python")))

    assert found.startswith("cannot be read: JSONDecodeError: ")


def test_json_report_is_read_by_test_and_phase(tmp_path: Path) -> None:
    test = {"nodeid": "a", "outcome": "failed", "setup": {"outcome": "passed", "duration": 1.0}}
    told = {"exitcode": 1, "summary": {"failed": 1}, "duration": 2.0, "tests": [test]}
    (tmp_path / "report.json").write_text(json.dumps(told))

    found = read(json_report("report.json"), tmp_path)

    assert {"exit code": 1, "summary": {"failed": 1}, "a": ["failed", "passed"]} == found


def test_the_report_log_is_counted_without_its_order_and_collections(tmp_path: Path) -> None:
    lines = [
        {"$report_type": "CollectReport", "nodeid": "", "outcome": "passed"},
        {"$report_type": "TestReport", "nodeid": "a", "when": "call", "outcome": "passed", "duration": 1.0},
    ]
    (tmp_path / "log").write_text("\n".join(map(json.dumps, lines)))

    assert {"TestReport a call passed": 1} == read(report_log("log"), tmp_path)


def test_allure_is_read_by_test_without_ids_and_times(tmp_path: Path) -> None:
    labels = [{"name": "epic", "value": "shop"}, {"name": "thread", "value": "1-Main"}]
    result = {"uuid": "0", "fullName": "a", "status": "passed", "labels": labels, "attachments": [{}], "start": 1}
    (tmp_path / "0-result.json").write_text(json.dumps(result))

    assert [["a", [], "passed", ["epic=shop"], 0, 1]] == read(allure_results("."), tmp_path)


def test_junit_is_read_by_case(tmp_path: Path) -> None:
    cases = '<testcase classname="b" name="x" time="1"><failure/></testcase><testcase classname="a" name="y"/>'
    suite = f'<testsuite tests="2" failures="1" errors="0" skipped="0">{cases}</testsuite>'
    (tmp_path / "junit.xml").write_text(f"<testsuites>{suite}</testsuites>")

    found = read(junit("junit.xml"), tmp_path)

    assert {
        "totals": [{"tests": "2", "failures": "1", "errors": "0", "skipped": "0"}],
        "cases": [["a", "y"], ["b", "x", "failure"]],
    } == found


def test_an_html_report_is_read_from_the_data_in_it(tmp_path: Path) -> None:
    blob = html.escape(json.dumps({"tests": {"a": [{"result": "Passed", "duration": "1"}]}}))
    (tmp_path / "report.html").write_text(f'<div data-jsonblob="{blob}"></div>')

    assert {"a": ["Passed"]} == read(html_report("report.html"), tmp_path)


def test_benchmarks_are_read_by_name_and_group(tmp_path: Path) -> None:
    entry = {"fullname": "a", "group": "sums", "params": None, "stats": {"rounds": 5, "mean": 0.1}}
    (tmp_path / "0001_20260102_030405.json").write_text(json.dumps({"benchmarks": [entry]}))

    assert {"0001_<number>.json": [["a", "sums", "None", True]]} == read(benchmark_results("*.json"), tmp_path)


def test_lines_of_the_output_are_found_in_any_order(tmp_path: Path) -> None:
    output = "::error file=b.py,line=1::x\nother\n::error file=a.py,line=2::y\n"

    assert [["error", "a.py"], ["error", "b.py"]] == read(output_lines(r"::(error) file=([^,]+)"), tmp_path, output)
