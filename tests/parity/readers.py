"""Reports that plug-ins leave, as far as two runs of one suite share it: no times, and no order where there is none."""

from __future__ import annotations

import html
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter
from typing import Any

from tests.parity.outcome import neutral_name
from tests.parity.suite import Place, Reader, Report

#: What is compared where the report is not there.
ABSENT = "no such file"
_READ_SECONDS = 60.0
_COVERED_LINES = """
import coverage, json, os
data = coverage.CoverageData(".coverage")
data.read()
print(json.dumps({os.path.relpath(file): sorted(data.lines(file) or ()) for file in data.measured_files()}))
"""


def read_report(report: Report, place: Place) -> Any:
    """What a report says; what is wrong with it, if it is there and cannot be read."""
    try:
        return report.read(place)
    except (ValueError, LookupError, TypeError, OSError, ElementTree.ParseError) as error:
        return f"cannot be read: {type(error).__name__}: {error}"


def covered_lines(place: Place) -> Any:
    """The lines executed of each file, from the combined data of coverage.py."""
    if not (place.tree / ".coverage").exists():
        return ABSENT
    command = [str(place.python), "-c", _COVERED_LINES]
    done = subprocess.run(command, cwd=place.tree, capture_output=True, text=True, timeout=_READ_SECONDS)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def text_of(name: str) -> Reader:
    """A file as it is."""

    def read(place: Place) -> Any:
        path = place.tree / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else ABSENT

    return read


def output_lines(pattern: str) -> Reader:
    """The lines of the output that match a pattern, sorted; of each, its groups, or all of it without any."""

    def read(place: Place) -> Any:
        found = re.findall(pattern, place.output, re.MULTILINE)
        return sorted(list(match) if isinstance(match, tuple) else match for match in found)

    return read


def json_report(name: str) -> Reader:
    """pytest-json-report: the summary, and each test's outcome and phases."""

    def read(place: Place) -> Any:
        if not (path := place.tree / name).exists():
            return ABSENT
        told = json.loads(path.read_text(encoding="utf-8"))
        phases = ("setup", "call", "teardown")
        return {
            "exit code": told["exitcode"],
            "summary": told["summary"],
            **{
                test["nodeid"]: [test["outcome"], *(test[phase]["outcome"] for phase in phases if phase in test)]
                for test in told.get("tests", ())
            },
        }

    return read


def report_log(name: str) -> Reader:
    """pytest-reportlog: how often there is which kind of line, test, phase and outcome."""

    def read(place: Place) -> Any:
        if not (path := place.tree / name).exists():
            return ABSENT
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        keys = ("$report_type", "nodeid", "when", "outcome", "exitstatus")
        # With pytest-xdist every worker collects, so that how often a collector is told is no one's promise.
        told = [line for line in lines if line["$report_type"] != "CollectReport"]
        return dict(Counter(" ".join(str(line[key]) for key in keys if key in line) for line in told))

    return read


def allure_results(name: str) -> Reader:
    """Allure: each result's test, parameters, status and labels of its own, and how many steps and files it has."""

    def read(place: Place) -> Any:
        results = [json.loads(path.read_text(encoding="utf-8")) for path in (place.tree / name).glob("*-result.json")]
        return sorted(
            [
                result["fullName"],
                sorted(f"{parameter['name']}={parameter['value']}" for parameter in result.get("parameters", ())),
                result["status"],
                sorted(f"{label['name']}={label['value']}" for label in result["labels"] if _is_of_test(label["name"])),
                len(result.get("steps", ())),
                len(result.get("attachments", ())),
            ]
            for result in results
        )

    return read


def _is_of_test(label: str) -> bool:
    return label not in {"host", "thread", "framework", "language"}


def junit(name: str) -> Reader:
    """JUnit XML: the suite's totals, and each case with its results and properties."""

    def read(place: Place) -> Any:
        if not (path := place.tree / name).exists():
            return ABSENT
        root = ElementTree.parse(path).getroot()
        totals = [{key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} for suite in root]
        cases = [
            [case.get("classname"), case.get("name"), *sorted(child.tag for child in case)]
            for case in root.iter("testcase")
        ]
        return {"totals": totals, "cases": sorted(cases)}

    return read


def html_report(name: str) -> Reader:
    """pytest-html: each test's results, from the data that the page shows."""

    def read(place: Place) -> Any:
        if not (path := place.tree / name).exists():
            return ABSENT
        page = path.read_text(encoding="utf-8")
        blob = re.search(r'data-jsonblob="([^"]*)"', page)
        tests = json.loads(html.unescape(blob[1]))["tests"] if blob else {}
        return {test: sorted(entry["result"] for entry in entries) for test, entries in tests.items()}

    return read


def benchmark_results(pattern: str) -> Reader:
    """pytest-benchmark: which benchmarks each file has, with their group and parameters."""

    def read(place: Place) -> Any:
        files = sorted(place.tree.glob(pattern))
        return {
            neutral_name(str(path.relative_to(place.tree))): sorted(
                [entry["fullname"], str(entry["group"]), str(entry["params"]), entry["stats"]["rounds"] > 0]
                for entry in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
            )
            for path in files
        }

    return read


def json_keys(name: str) -> Reader:
    """The keys of a JSON object."""

    def read(place: Place) -> Any:
        path = place.tree / name
        return sorted(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ABSENT

    return read
