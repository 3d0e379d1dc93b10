"""Tests of other languages are found by the files that their tools go by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulseq.suites.found_project import FoundProject
from pulseq.suites.found_tools import find_entries
from pulseq.suites.starter import FoundTests, render_suite
from pulseq.suites.suite_file import load_suite

EVERY_PROGRAM = str


def find(root: Path, files: dict[str, str], *, programs: str | None = None) -> list[FoundTests]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        if text == "#!":
            (root / name).chmod(0o755)
    find_program = EVERY_PROGRAM if programs is None else {name: name for name in programs.split()}.get
    return find_entries(FoundProject(root, find_program=find_program))


def keys_of(entry: FoundTests) -> dict[str, Any]:
    return {line.key: line.value for line in entry.lines}


NEXTEST = "[profile.ci]\n[profile.ci.junit]\npath = 'junit.xml'\n"
CTEST = "project(x)\nenable_testing()\n"
CASES = [
    ("maven", {"pom.xml": ""}, ["mvn", "-B", "test"], "**/target/surefire-reports/TEST-*.xml"),
    ("maven", {"pom.xml": "", "mvnw": "#!"}, ["./mvnw", "-B", "test"], "**/target/surefire-reports/TEST-*.xml"),
    ("maven", {"pom.xml": "", "mvnw": "not to be run"}, ["mvn", "-B", "test"], "**/target/surefire-reports/TEST-*.xml"),
    (
        "gradle",
        {"build.gradle.kts": "", "gradlew": "#!"},
        ["./gradlew", "cleanTest", "test", "--continue"],
        "**/build/test-results/test/TEST-*.xml",
    ),
    ("go", {"go.mod": ""}, ["gotestsum", "--junitfile", "build/gotestsum.xml", "./..."], "build/gotestsum.xml"),
    (
        "cargo",
        {"Cargo.toml": "", ".config/nextest.toml": NEXTEST},
        ["cargo", "nextest", "run", "--no-fail-fast", "--profile", "ci"],
        "target/nextest/ci/junit.xml",
    ),
    ("cargo", {"Cargo.toml": "", ".config/nextest.toml": "[profile"}, ["cargo", "test"], None),
    ("cargo", {"Cargo.toml": ""}, ["cargo", "test"], None),
    ("phpunit", {"phpunit.xml.dist": ""}, ["phpunit", "--log-junit", "build/phpunit.xml"], "build/phpunit.xml"),
    (
        "phpunit",
        {"phpunit.xml": "", "vendor/bin/phpunit": "#!"},
        ["vendor/bin/phpunit", "--log-junit", "build/phpunit.xml"],
        "build/phpunit.xml",
    ),
    ("rspec", {"spec/cart_spec.rb": ""}, ["rspec"], None),
    (
        "rspec",
        {".rspec": "", "Gemfile.lock": "rspec_junit_formatter"},
        [
            "bundle",
            "exec",
            "rspec",
            "--format",
            "progress",
            "--format",
            "RspecJunitFormatter",
            "--out",
            "build/rspec.xml",
        ],
        "build/rspec.xml",
    ),
    ("make", {"Makefile": "all:\n\ntest: all\n\t./run\n"}, ["make", "test"], None),
    ("make", {"GNUmakefile": ".PHONY: check\ncheck:\n\t./run"}, ["make", "check"], None),
]


@pytest.mark.parametrize(("name", "files", "command", "junit"), CASES)
def test_a_tool_is_found_by_its_file(
    tmp_path: Path, name: str, files: dict[str, str], command: list[str], junit: str | None
) -> None:
    [entry] = find(tmp_path, files)

    assert (entry.id, entry.missing) == (name, "")
    assert keys_of(entry) == {"command": command} | ({"junit": junit} if junit else {})


def test_ctest_is_built_first(tmp_path: Path) -> None:
    [entry] = find(tmp_path, {"CMakeLists.txt": CTEST})
    keys = keys_of(entry)

    assert keys["shell"] is True
    assert keys["command"].startswith("cmake -S . -B build && ")
    assert keys["junit"] == "build/ctest.xml"


@pytest.mark.parametrize(
    "files",
    [
        {"CMakeLists.txt": "project(x)\n# enable_testing()\n"},
        {"Makefile": "test := 1\nlatest:\n\ttrue\n"},
        {"Makefile": "tests:\n\ttrue\n"},
        {"README.md": ""},
    ],
)
def test_what_only_looks_like_tests_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    assert [] == find(tmp_path, files)


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({"pom.xml": ""}, "mvn"),
        ({"build.gradle": ""}, "gradle"),
        ({"go.mod": ""}, "go"),
        ({"Cargo.toml": ""}, "cargo"),
        ({"phpunit.xml": ""}, "phpunit"),
        ({".rspec": ""}, "rspec"),
        ({"Gemfile": "gem", ".rspec": ""}, "bundle"),
        ({"CMakeLists.txt": CTEST}, "cmake"),
        ({"Makefile": "test:\n\ttrue\n"}, "make"),
    ],
)
def test_a_tool_that_this_machine_has_not_is_told(tmp_path: Path, files: dict[str, str], missing: str) -> None:
    [entry] = find(tmp_path, files, programs="")

    assert entry.missing == f"there is no {missing!r} on this machine's PATH"


@pytest.mark.parametrize(
    ("recipe", "stands_above"),
    [
        ("pytest -q", True),
        (".venv/bin/py.test", True),
        ("python -m pytest tests", True),
        ("./mypytest-wrapper", False),
        ("./check.sh", False),
    ],
)
def test_a_target_that_only_calls_what_was_found_is_not_run_again(
    tmp_path: Path, recipe: str, stands_above: bool
) -> None:
    entries = find(tmp_path, {"test_a.py": "", "Makefile": f"test:\n\t{recipe}\n\nother:\n\tpytest\n"})

    assert [(entry.id, bool(entry.missing)) for entry in entries] == [("pytest", False), ("make", stands_above)]


def test_of_everything_at_once_a_suite_can_be_made(tmp_path: Path) -> None:
    files = {name: text for _, some, _, _ in CASES for name, text in some.items()}
    entries = find(
        tmp_path, {**files, "CMakeLists.txt": CTEST, "test_a.py": "", "package.json": '{"scripts": {"test": "x"}}'}
    )
    (tmp_path / "pulseq.yaml").write_text(render_suite("all", entries))

    assert [test.id for test in load_suite(tmp_path / "pulseq.yaml").tests] == [entry.id for entry in entries]
    assert len(entries) == 10


@pytest.mark.parametrize("recipe", ["pulseq run", ".venv/bin/pulseq run -n auto", "pytest\n\tpulseq run"])
def test_a_target_that_calls_us_gets_no_entry_that_runs(tmp_path: Path, recipe: str) -> None:
    [entry] = find(tmp_path, {"Makefile": f"test:\n\t{recipe}\n"})
    assert entry.missing == "it calls `pulseq run` itself."
