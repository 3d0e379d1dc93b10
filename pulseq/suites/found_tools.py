"""Tests of other languages in a directory, by the files that their tools go by."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pulseq.suites.found_node import find_node
from pulseq.suites.found_project import CALLS_US, FoundProject, calls_us
from pulseq.suites.found_pytest import find_pytest
from pulseq.suites.starter import FoundTests, Line

_CASES = "one test for each case in these files"
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_TARGETS = ("test", "check")
#: What the recipe of a target says where it only calls a tool that has an entry of its own, by that entry's id.
_CALLS = {
    "pytest": r"py\.?test",
    "node": r"(npm|pnpm|yarn|bun|npx|vitest|jest|mocha)",
    "maven": r"mvnw?",
    "gradle": r"gradlew?",
    "go": r"(go test|gotestsum)",
    "cargo": r"cargo",
    "phpunit": r"phpunit",
    "rspec": r"rspec",
    "ctest": r"ctest",
}


def find_entries(project: FoundProject) -> list[FoundTests]:
    """An entry for each kind of tests that a project has; those that cannot run here say why."""
    entries = [entry for find in _FINDERS for entry in find(project)]
    return [*entries, *_find_make(project, [entry.id for entry in entries if not entry.missing])]


def _find_maven(project: FoundProject) -> Iterator[FoundTests]:
    if not project.has("pom.xml"):
        return
    program, missing = _wrapped(project, "./mvnw", "mvn")
    lines = [
        Line("command", [program, "-B", "test"]),
        Line("junit", "**/target/surefire-reports/TEST-*.xml", _CASES),
    ]
    yield FoundTests("maven", "pom.xml is Maven's.", lines, missing=missing)


def _find_gradle(project: FoundProject) -> Iterator[FoundTests]:
    names = ("settings.gradle", "settings.gradle.kts", "build.gradle", "build.gradle.kts")
    if (found := project.first(*names)) is None:
        return
    program, missing = _wrapped(project, "./gradlew", "gradle")
    lines = [
        Line("command", [program, "cleanTest", "test", "--continue"], "cleanTest: results from a cache are not new"),
        Line("junit", "**/build/test-results/test/TEST-*.xml", _CASES),
    ]
    yield FoundTests("gradle", f"{found} is Gradle's.", lines, missing=missing)


def _wrapped(project: FoundProject, wrapper: str, program: str) -> tuple[str, str]:
    """The project's own way to start a tool, else the machine's; and that there is neither, in words."""
    if project.can_run(wrapper):
        return wrapper, ""
    return program, project.program(program) or ""


def _find_go(project: FoundProject) -> Iterator[FoundTests]:
    if not project.has("go.mod"):
        return
    if project.find_program("gotestsum"):
        report = "build/gotestsum.xml"
        lines = [Line("command", ["gotestsum", "--junitfile", report, "./..."]), Line("junit", report, _CASES)]
        yield FoundTests("go", "go.mod is Go's.", lines, missing=project.program("go") or "")
        return
    hint = "With gotestsum on the PATH each Go test could be a test of its own (--junitfile)."
    yield FoundTests(
        "go", "go.mod is Go's.", [Line("command", ["go", "test", "./..."])], hint, project.program("go") or ""
    )


def _find_cargo(project: FoundProject) -> Iterator[FoundTests]:
    if not project.has("Cargo.toml"):
        return
    profile = _nextest_profile(project)
    if profile and project.find_program("cargo-nextest"):
        name, path = profile
        lines = [
            Line("command", ["cargo", "nextest", "run", "--no-fail-fast", "--profile", name]),
            Line("junit", f"target/nextest/{name}/{path}", f"{_CASES}; .config/nextest.toml names it"),
        ]
        yield FoundTests("cargo", "Cargo.toml is Cargo's.", lines, missing=project.program("cargo") or "")
        return
    hint = "With cargo-nextest and a [profile.ci.junit] in .config/nextest.toml each could be a test of its own."
    lines = [Line("command", ["cargo", "test"])]
    yield FoundTests("cargo", "Cargo.toml is Cargo's.", lines, hint, project.program("cargo") or "")


def _nextest_profile(project: FoundProject) -> tuple[str, str] | None:
    """The first profile of nextest's that writes JUnit, and to which path below its own directory."""
    try:
        profiles: Any = tomllib.loads(project.read(".config/nextest.toml")).get("profile", {})
    except tomllib.TOMLDecodeError:
        return None
    for name, profile in profiles.items() if isinstance(profiles, dict) else ():
        junit = profile.get("junit") if isinstance(profile, dict) else None
        if isinstance(junit, dict) and isinstance(junit.get("path"), str):
            return name, junit["path"]
    return None


def _find_phpunit(project: FoundProject) -> Iterator[FoundTests]:
    if (found := project.first("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml")) is None:
        return
    program, missing = _wrapped(project, "vendor/bin/phpunit", "phpunit")
    report = "build/phpunit.xml"
    lines = [Line("command", [program, "--log-junit", report]), Line("junit", report, _CASES)]
    yield FoundTests("phpunit", f"{found} configures PHPUnit.", lines, missing=missing)


def _find_rspec(project: FoundProject) -> Iterator[FoundTests]:
    spec = next(Path(project.root, "spec").glob("**/*_spec.rb"), None)
    if not project.has(".rspec") and spec is None:
        return
    found = ".rspec" if project.has(".rspec") else str(spec and spec.relative_to(project.root))
    gems = project.read("Gemfile.lock") + project.read("Gemfile")
    command = ["bundle", "exec", "rspec"] if gems else ["rspec"]
    missing = project.program(command[0]) or ""
    if "rspec_junit_formatter" not in gems:
        hint = "With the gem rspec_junit_formatter each example could be a test of its own."
        yield FoundTests("rspec", f"{found} is RSpec's.", [Line("command", command)], hint, missing)
        return
    report = "build/rspec.xml"
    formats = ["--format", "progress", "--format", "RspecJunitFormatter", "--out", report]
    lines = [Line("command", [*command, *formats]), Line("junit", report, _CASES)]
    yield FoundTests("rspec", f"{found} is RSpec's.", lines, missing=missing)


def _find_ctest(project: FoundProject) -> Iterator[FoundTests]:
    if not re.search(r"(?im)^\s*(enable_testing\s*\(|include\s*\(\s*CTest)", project.read("CMakeLists.txt")):
        return
    build = "cmake -S . -B build && cmake --build build"
    test = "ctest --test-dir build --output-on-failure --output-junit ctest.xml"
    lines = [
        Line("command", f"{build} && {test}", "tests are built first, and all of it is one command"),
        Line("shell", True),
        Line("junit", "build/ctest.xml", _CASES),
    ]
    missing = project.program("cmake") or project.program("ctest") or ""
    yield FoundTests("ctest", "CMakeLists.txt enables CTest.", lines, missing=missing)


def _find_make(project: FoundProject, ids: list[str]) -> Iterator[FoundTests]:
    """`make test`, but where all that it does is to call what has an entry of its own."""
    if (file := project.first(*_MAKEFILES)) is None:
        return
    text = project.read(file)
    for target in _TARGETS:
        rule = re.search(rf"(?m)^{target}[ \t]*::?(?!=)([^\n]*)\n((?:\t[^\n]*(?:\n|\Z)|[ \t]*\n)*)", f"{text}\n")
        if rule is None:
            continue
        calls = next((one for one in ids if re.search(rf"(?<![\w-]){_CALLS[one]}\b", rule[2])), None)
        missing = f"it calls what `{calls}` stands for above." if calls else project.program("make") or ""
        missing = CALLS_US if calls_us(rule[2]) else missing
        yield FoundTests(
            "make", f"{file} has a target `{target}`.", [Line("command", ["make", target])], missing=missing
        )
        return


_FINDERS: tuple[Callable[[FoundProject], Iterator[FoundTests]], ...] = (
    find_pytest,
    find_node,
    _find_maven,
    _find_gradle,
    _find_go,
    _find_cargo,
    _find_phpunit,
    _find_rspec,
    _find_ctest,
)
