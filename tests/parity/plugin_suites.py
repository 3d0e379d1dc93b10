"""The plug-ins, pinned, and the suites of our own that use each as people do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.parity.readers import (
    allure_results,
    benchmark_results,
    covered_lines,
    html_report,
    json_keys,
    json_report,
    junit,
    output_lines,
    report_log,
    text_of,
)
from tests.parity.suite import Plugin, Report, Suite

_HERE = Path(__file__).with_name("plugins")

_COVERAGE = Report("coverage", covered_lines)
_JSON_REPORT = Report("report.json", json_report("report.json"))
_REPORT_LOG = Report("report.jsonl", report_log("report.jsonl"))
_ALLURE = Report("allure", allure_results("allure"))
_HTML = Report("report.html", html_report("report.html"))
_ORDER = Report("order", text_of("order.txt"))

#: What a foreign suite is given when it is to be run with one of them.
PLUGINS = {
    plugin.name: plugin
    for plugin in (
        Plugin("cov", ("pytest-cov==7.1.0", "coverage==7.17.5"), ("--cov", "--cov-report="), (_COVERAGE,)),
        Plugin("benchmark", ("pytest-benchmark==5.3.1",)),
        Plugin("rerunfailures", ("pytest-rerunfailures==16.7",), ("--reruns=1",)),
        Plugin("timeout", ("pytest-timeout==2.4.0",), ("--timeout=120",)),
        Plugin("randomly", ("pytest-randomly==5.1.0",), ("-p", "randomly", "--randomly-seed=7")),
        Plugin("django", ("pytest-django==4.14.0", "django==5.2.19")),
        Plugin("asyncio", ("pytest-asyncio==1.5.0",)),
        Plugin("mock", ("pytest-mock==3.17.0",)),
        # Since its version 9, pytest has subtests itself.
        Plugin("subtests", ("pytest==8.4.2", "pytest-subtests==0.15.0")),
        Plugin("html", ("pytest-html==4.2.0",), ("--html=report.html",), (_HTML,)),
        Plugin(
            "json-report",
            ("pytest-json-report==1.5.0",),
            ("--json-report", "--json-report-file=report.json"),
            (_JSON_REPORT,),
        ),
        Plugin("reportlog", ("pytest-reportlog==1.0.0",), ("--report-log=report.jsonl",), (_REPORT_LOG,)),
        Plugin("allure-pytest", ("allure-pytest==2.16.2",), ("--alluredir=allure",), (_ALLURE,)),
        Plugin("syrupy", ("syrupy==7.0.2",)),
        Plugin("order", ("pytest-order==1.5.0",)),
        Plugin("dependency", ("pytest-dependency==0.6.1",)),
        Plugin("split", ("pytest-split==0.11.0",), ("--splits=2", "--group=1")),
        Plugin("github-actions-annotate-failures", ("pytest-github-actions-annotate-failures==0.4.2",)),
    )
}


def _exercise(plugin: str, *arguments: str, variant: str = "", directory: str = "", **more: Any) -> Suite:
    """A suite of our own: `plugin`, or `plugin-variant`, in the directory of the plug-in."""
    known = PLUGINS[plugin]
    suite = Suite(
        name=f"{plugin}-{variant}" if variant else plugin,
        packages=known.packages,
        tree=_HERE / (directory or plugin.replace("-", "_")),
        paths=(".",),
        arguments=arguments,
        reports=known.reports,
        plugins=(plugin,),
        timeout_seconds=120.0,
    )
    return replace(suite, **more)


def _bare(name: str, *arguments: str, reports: tuple[Report, ...] = ()) -> Suite:
    """A suite of our own for what pytest itself can do."""
    return Suite(
        name,
        packages=(),
        tree=_HERE / name.partition("-")[0],
        paths=(".",),
        arguments=arguments,
        reports=reports,
        timeout_seconds=120.0,
    )


_ANNOTATED = Report("annotations", output_lines(r"::(error|warning|notice) (?:.*?)file=([^,\s]+)"))
_SNAPSHOTS = Report("snapshots", text_of("__snapshots__/test_snapshots.ambr"))
_SNAPSHOTS_TOLD = Report("told", output_lines(r"^\d+ snapshots? (?:passed|failed|generated|updated|unused|deleted).*"))

PLUGIN_SUITES = (
    _bare("verdicts", "-W", "always", "--deselect=test_verdicts.py::test_is_left_out"),
    _bare("collection"),
    _bare("collection-continued", "--continue-on-collection-errors"),
    _bare("scheduler"),
    _bare("junit", "--junitxml=junit.xml", reports=(Report("junit.xml", junit("junit.xml")),)),
    _exercise("cov", "--cov", "--cov-report=xml", "--cov-fail-under=50", variant="met"),
    _exercise("cov", "--cov", "--cov-report=term-missing", "--cov-fail-under=95", variant="missed"),
    _exercise("cov", "--cov", "--cov-branch", "--cov-report=html", "--cov-context=test", variant="contexts"),
    _exercise(
        "benchmark",
        "--benchmark-json=benchmarks.json",
        variant="json",
        reports=(Report("benchmarks", benchmark_results("benchmarks.json")),),
    ),
    _exercise(
        "benchmark",
        "--benchmark-autosave",
        variant="autosave",
        reports=(Report("benchmarks", benchmark_results(".benchmarks/*/*.json")),),
    ),
    _exercise("rerunfailures", "--reruns=1"),
    _exercise("timeout"),
    _exercise("timeout", "-o", "timeout_method=signal", "--session-timeout=60", variant="session"),
    _exercise("randomly", "-p", "randomly", "--randomly-seed=7", reports=(_ORDER,)),
    _exercise("django", variant="project"),
    _exercise("asyncio"),
    _exercise("mock"),
    _bare("subtests"),
    _exercise("subtests", variant="plugin"),
    _exercise("html", "--html=report.html", "--self-contained-html"),
    _exercise("json-report", "--json-report", "--json-report-file=report.json"),
    _exercise("reportlog", "--report-log=report.jsonl"),
    _exercise("allure-pytest", "--alluredir=allure", directory="allure"),
    _exercise("syrupy", reports=(_SNAPSHOTS, _SNAPSHOTS_TOLD), variant="checked"),
    _exercise("syrupy", "--snapshot-update", reports=(_SNAPSHOTS, _SNAPSHOTS_TOLD), variant="updated"),
    _exercise("order", reports=(_ORDER,)),
    _exercise("dependency"),
    _exercise("split", "--splits=2", "--group=1", variant="first"),
    _exercise("split", "--splits=2", "--group=2", variant="second"),
    _exercise(
        "split", "--store-durations", variant="stored", reports=(Report("durations", json_keys(".test_durations")),)
    ),
    _exercise(
        "github-actions-annotate-failures",
        directory="annotations",
        environment={"GITHUB_ACTIONS": "true"},
        reports=(_ANNOTATED,),
    ),
)
