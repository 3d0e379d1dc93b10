"""The test script of a `package.json`, with a row for each test where its tool can write JUnit."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pulseq.suites.documents import shorten
from pulseq.suites.found_project import CALLS_US, FoundProject, calls_us
from pulseq.suites.starter import FoundTests, Line

_FILE = "package.json"
_MANAGERS = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
#: How each hands arguments on to the script.
_TEST = {
    "npm": ["npm", "test", "--"],
    "pnpm": ["pnpm", "test"],
    "yarn": ["yarn", "test"],
    "bun": ["bun", "run", "test"],
}
_OPERATORS = re.compile(r"[;&|<>`$()\n]")
#: What npm writes into a new file.
_NO_TEST = "no test specified"
#: Below what is fetched, and so in nobody's repository.
_REPORT = "node_modules/.cache/pulseq/junit.xml"


def find_node(project: FoundProject) -> Iterator[FoundTests]:
    """The entry for `npm test` or what stands for it here, if the project has a test script."""
    package = _read_package(project)
    script = _mapping(package.get("scripts")).get("test")
    if not isinstance(script, str) or not script.strip() or _NO_TEST in script:
        return
    lock = project.first(*_MANAGERS)
    manager = _MANAGERS[lock] if lock else "npm"
    extra, hint = _write_junit(
        script, {**_mapping(package.get("dependencies")), **_mapping(package.get("devDependencies"))}
    )
    command = [*_TEST[manager], *extra] if extra else [word for word in _TEST[manager] if word != "--"]
    lines = [
        Line("command", command, f"{lock} is {manager}'s" if lock else ""),
        *([Line("junit", _REPORT, "one test for each case in this file")] if extra else []),
        Line("env", _environment(script, extra), "so that nothing waits for changes of files, as tools do for people"),
    ]
    yield FoundTests(
        "node",
        f"The test script of {_FILE}: {shorten(script.strip())}",
        lines,
        hint=hint,
        missing=CALLS_US if calls_us(script) else project.program(manager) or "",
    )


def _read_package(project: FoundProject) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(project.read(_FILE) or "{}"))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tool_of(script: str) -> str:
    """The one program that the script calls; empty where it is more than one call."""
    if _OPERATORS.search(script):
        return ""
    try:
        words = shlex.split(script)
    except ValueError:
        return ""
    called = [word for word in words if word not in ("npx", "cross-env") and not re.fullmatch(r"\w+=.*", word)]
    return called[0] if called else ""


def _write_junit(script: str, installed: Mapping[str, Any]) -> tuple[list[str], str]:
    """Arguments with which the script's tool writes JUnit, or none and what would help."""
    match _tool_of(script):
        case "vitest":
            return ["--run", "--reporter=default", "--reporter=junit", f"--outputFile.junit={_REPORT}"], ""
        case "mocha":
            return ["--reporter", "xunit", "--reporter-option", f"output={_REPORT}"], ""
        case "jest" if "jest-junit" in installed:
            return ["--reporters=default", "--reporters=jest-junit"], ""
        case "jest":
            return [], "With the package jest-junit installed each case could be a test of its own."
    return [], ""


def _environment(script: str, extra: list[str]) -> dict[str, str]:
    told = {"CI": "true"}
    if extra and _tool_of(script) == "jest":
        told |= {
            "JEST_JUNIT_OUTPUT_FILE": _REPORT,
            "JEST_JUNIT_CLASSNAME": "{filepath}",
            "JEST_JUNIT_REPORT_TEST_SUITE_ERRORS": "true",
        }
    return told
