"""The test script of a package.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pulseq.suites.found_node import find_node
from pulseq.suites.found_project import FoundProject
from pulseq.suites.starter import Entry


def find(root: Path, package: Any, *, lock: str = "", programs: str = "npm pnpm yarn bun") -> list[Entry]:
    (root / "package.json").write_text(package if isinstance(package, str) else json.dumps(package))
    if lock:
        (root / lock).touch()
    return list(find_node(FoundProject(root, find_program={name: name for name in programs.split()}.get)))


def keys_of(entry: Entry) -> dict[str, Any]:
    return {line.key: line.value for line in entry.lines}


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        ("", ["npm", "test"]),
        ("package-lock.json", ["npm", "test"]),
        ("yarn.lock", ["yarn", "test"]),
        ("pnpm-lock.yaml", ["pnpm", "test"]),
        ("bun.lockb", ["bun", "run", "test"]),
    ],
)
def test_the_script_is_run_by_the_manager_whose_lock_file_is_there(
    tmp_path: Path, lock: str, command: list[str]
) -> None:
    [entry] = find(tmp_path, {"scripts": {"test": "./check.sh"}}, lock=lock)

    assert keys_of(entry) == {"command": command, "env": {"CI": "true"}}


@pytest.mark.parametrize("script", ["vitest", "vitest run", "npx vitest", "cross-env A=1 vitest --coverage"])
def test_vitest_writes_junit_by_itself(tmp_path: Path, script: str) -> None:
    [entry] = find(tmp_path, {"scripts": {"test": script}})
    keys = keys_of(entry)

    assert keys["command"][:4] == ["npm", "test", "--", "--run"]
    assert f"--outputFile.junit={keys['junit']}" in keys["command"]


@pytest.mark.parametrize(("tool", "package"), [("jest", "jest-junit"), ("mocha", "mocha-junit-reporter")])
def test_others_need_a_package_for_it(tmp_path: Path, tool: str, package: str) -> None:
    [without] = find(tmp_path, {"scripts": {"test": tool}})
    [with_it] = find(tmp_path, {"scripts": {"test": tool}, "devDependencies": {package: "1"}})

    assert "junit" not in keys_of(without)
    assert package in without.hint
    assert keys_of(with_it)["junit"].endswith(".xml")
    assert with_it.hint == ""


@pytest.mark.parametrize("script", ["eslint . && vitest", "vitest | tee out", "vitest 'un", "node $X"])
def test_a_script_of_several_calls_gets_no_arguments_of_ours(tmp_path: Path, script: str) -> None:
    [entry] = find(tmp_path, {"scripts": {"test": script}})

    assert keys_of(entry)["command"] == ["npm", "test"]


@pytest.mark.parametrize(
    "package",
    [
        {"scripts": {"test": 'echo "Error: no test specified" && exit 1'}},
        {"scripts": {"test": " "}},
        {"scripts": {"test": 3}},
        {"scripts": ["test"]},
        {"scripts": {}},
        {},
        [],
        "{not json",
        "[" * 100_000,
    ],
)
def test_without_a_script_there_is_nothing(tmp_path: Path, package: Any) -> None:
    assert [] == find(tmp_path, package)


def test_a_manager_that_is_not_there_is_told(tmp_path: Path) -> None:
    [entry] = find(tmp_path, {"scripts": {"test": "x"}}, lock="yarn.lock", programs="npm")

    assert entry.missing == "there is no 'yarn' on this machine's PATH"
