"""`pulseq doctor`: whether runs can go on here, in the lines that a report of a bug begins with."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pulseq.cli.common_options import Output
from pulseq.errors import ConfigurationError, ExitCode, NothingToRunError, PulseqError
from pulseq.run.fleet_choice import choose_fleet
from pulseq.safe_text import safe_line
from pulseq.standing.findings import Finding, Grade, Need, worst
from pulseq.suites.arguments import load_arguments
from pulseq.suites.default_suite import complete_arguments

_LONGEST = 1000


def doctor(
    *,
    output: Output = "text",
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Tell whether runs can go on here: Python, libraries, memory, disks, limits, ports, clock, Prefect, state.

    Each line is ok, or asks for attention, or is bad and keeps runs from going on; the last two say what to do.
    The exit code is 0, or 1 where something is bad. It changes nothing, and prints no passwords, keys or values of
    variables: the lines are good for the beginning of a bug report.

    Args:
        output: `json` for one JSON object.
        json_: The same as `--output json`.
    """
    findings = _examine()
    grade = worst(findings)
    if json_ or output == "json":
        print(json.dumps({"grade": grade.value, "findings": [_describe(finding) for finding in findings]}))
    else:
        for line in render_findings(findings, color=sys.stdout.isatty() and "NO_COLOR" not in os.environ):
            print(line)
    return ExitCode.TESTS_FAILED if grade is Grade.BAD else ExitCode.OK


def _examine() -> list[Finding]:
    # These bring DuckDB and more, which `--help` need not wait for.
    from pulseq.standing.api_findings import examine_api, examine_standing
    from pulseq.standing.examination import examine_machine
    from pulseq.standing.home_findings import examine_database, examine_home

    home = Path(os.environ.get("PULSEQ_HOME") or ".pulseq").absolute()
    project, need = examine_project()
    findings = [*examine_machine(home, need), examine_home(home)]
    if findings[-1].grade is not Grade.BAD:  # what is of others is not looked into
        findings += [examine_database(home), examine_standing(home), examine_api(home)]
    return [*findings, project]


def examine_project() -> tuple[Finding, Need]:
    """What `pulseq run` without a suite would take in the working directory, and what that needs."""
    local = choose_fleet([], nodes_file=None, count=None, scheduler=None)
    need = Need(len(local.nodes), local.slots)
    try:
        named = complete_arguments([])
        suite = load_arguments(list(named))
        fleet = choose_fleet(named, nodes_file=None, count=None, scheduler=None)
    except NothingToRunError as error:
        return Finding("project", Grade.ATTENTION, "a suite without tests", str(error)), need
    except ConfigurationError as error:
        # Not what was found there: that may be a password.
        files = ", ".join(dict.fromkeys(problem.file for problem in error.problems))
        count = "a problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
        return Finding("project", Grade.BAD, f"{count} in {files}", "`pulseq check` tells"), need
    except PulseqError as error:
        return Finding("project", Grade.BAD, "no suite that can be run", str(error)), need
    need = Need(len(fleet.nodes), fleet.slots)
    source = suite.source if named else "no pulseq.yaml, so pytest's own choice"
    told = f"{source}, suite {suite.name}: {len(suite.tests)} entries on {need.nodes} nodes with {need.slots} slots"
    return Finding("project", Grade.OK, told), need


def render_findings(findings: list[Finding], *, color: bool = False) -> list[str]:
    """One line each: its grade, what was looked at, what was found, and what to do where that is not well."""
    width = max(len(finding.name) for finding in findings)
    return [_render(finding, width, color=color) for finding in findings]


def _render(finding: Finding, width: int, *, color: bool) -> str:
    grade = f"{finding.grade.value:9}"
    if color:
        code = {Grade.OK: 32, Grade.ATTENTION: 33, Grade.BAD: 31}[finding.grade]
        grade = f"\x1b[{code}m{grade}\x1b[0m"
    advice = f" -> {safe_line(finding.advice, _LONGEST)}" if finding.advice else ""
    return f"{grade}  {finding.name:{width}}  {safe_line(finding.found, _LONGEST)}{advice}"


def _describe(finding: Finding) -> dict[str, str]:
    return {
        "name": finding.name,
        "grade": finding.grade.value,
        "found": safe_line(finding.found, _LONGEST),
        "advice": safe_line(finding.advice, _LONGEST),
    }
