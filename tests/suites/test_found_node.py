"""The test script of a package.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pulseq.suites.found_node import find_node
from pulseq.suites.found_project import FoundProject
from pulseq.suites.starter import FoundTests


def find(root: Path, package: Any, *, lock: str = "", programs: str = "npm pnpm yarn bun") -> list[FoundTests]:
    (root / "package.json").write_text(package if isinstance(package, str) else json.dumps(package))
    if lock:
        (root / lock).touch()
    return list(find_node(FoundProject(root, find_program={name: name for name in programs.split()}.get)))


def keys_of(entry: FoundTests) -> dict[str, Any]:
    return {line.key: line.value for line in entry.lines}


@pytest.mark.parametrize("script", ["pulseq run", "npm run build && npx pulseq  run -n 2"])
def test_a_script_that_calls_us_gets_no_entry_that_runs(tmp_path: Path, script: str) -> None:
    [entry] = find(tmp_path, {"scripts": {"test": script}})
    assert entry.missing == "it calls `pulseq run` itself."


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


@pytest.mark.parametrize(
    ("script", "option"),
    [
        ("vitest", "--outputFile.junit={}"),
        ("vitest run", "--outputFile.junit={}"),
        ("npx vitest", "--outputFile.junit={}"),
        ("cross-env A=1 vitest --coverage", "--outputFile.junit={}"),
        ("mocha test/", "output={}"),
    ],
)
def test_some_tools_write_junit_by_themselves(tmp_path: Path, script: str, option: str) -> None:
    [entry] = find(tmp_path, {"scripts": {"test": script}})
    keys = keys_of(entry)

    assert keys["command"][:3] == ["npm", "test", "--"]
    assert option.format(keys["junit"]) in keys["command"]


def test_jest_needs_a_package_for_it(tmp_path: Path) -> None:
    [without] = find(tmp_path, {"scripts": {"test": "jest"}})
    [with_it] = find(tmp_path, {"scripts": {"test": "jest"}, "devDependencies": {"jest-junit": "1"}})

    assert "junit" not in keys_of(without)
    assert "jest-junit" in without.hint
    assert keys_of(with_it)["env"]["JEST_JUNIT_OUTPUT_FILE"] == keys_of(with_it)["junit"]
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
