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
    if project.has("pom.xml"):
        program, missing = _wrapped(project, "./mvnw", "mvn")
        command = [program, "-B", "test"]
        yield _entry("maven", "pom.xml is Maven's.", command, "**/target/surefire-reports/TEST-*.xml", missing=missing)


def _find_gradle(project: FoundProject) -> Iterator[FoundTests]:
    if found := project.first("settings.gradle", "settings.gradle.kts", "build.gradle", "build.gradle.kts"):
        program, missing = _wrapped(project, "./gradlew", "gradle")
        command = [program, "cleanTest", "test", "--continue"]
        why = "cleanTest: results from a cache are not new"
        report = "**/build/test-results/test/TEST-*.xml"
        yield _entry("gradle", f"{found} is Gradle's.", command, report, why=why, missing=missing)


def _wrapped(project: FoundProject, wrapper: str, program: str) -> tuple[str, str | None]:
    """The project's own way to start a tool, else the machine's; and that there is neither, in words."""
    return (wrapper, None) if project.can_run(wrapper) else (program, project.program(program))


def _entry(
    id: str,
    found: str,
    command: list[str] | str,
    report: str = "",
    *,
    why: str = "",
    cases: str = _CASES,
    hint: str = "",
    missing: str | None,
) -> FoundTests:
    """Tests that a command runs, with a test for each case of the JUnit files that it leaves as its report."""
    lines = [Line("command", command, why)]
    if isinstance(command, str):
        lines.append(Line("shell", True))
    if report:
        lines.append(Line("junit", report, cases))
    return FoundTests(id, found, lines, hint, missing or "")


def _find_go(project: FoundProject) -> Iterator[FoundTests]:
    if not project.has("go.mod"):
        return
    command, report, hint = ["go", "test", "./..."], "", ""
    if project.find_program("gotestsum"):
        report = "build/gotestsum.xml"
        command = ["gotestsum", "--junitfile", report, "./..."]
    else:
        hint = "With gotestsum on the PATH each Go test could be a test of its own (--junitfile)."
    yield _entry("go", "go.mod is Go's.", command, report, hint=hint, missing=project.program("go"))


def _find_cargo(project: FoundProject) -> Iterator[FoundTests]:
    if not project.has("Cargo.toml"):
        return
    found, missing = "Cargo.toml is Cargo's.", project.program("cargo")
    profile = _nextest_profile(project)
    if profile and project.find_program("cargo-nextest"):
        name, path = profile
        command = ["cargo", "nextest", "run", "--no-fail-fast", "--profile", name]
        cases = f"{_CASES}; .config/nextest.toml names it"
        yield _entry("cargo", found, command, f"target/nextest/{name}/{path}", cases=cases, missing=missing)
        return
    hint = "With cargo-nextest and a [profile.ci.junit] in .config/nextest.toml each could be a test of its own."
    yield _entry("cargo", found, ["cargo", "test"], hint=hint, missing=missing)


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
    if found := project.first("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml"):
        program, missing = _wrapped(project, "vendor/bin/phpunit", "phpunit")
        report = "build/phpunit.xml"
        command = [program, "--log-junit", report]
        yield _entry("phpunit", f"{found} configures PHPUnit.", command, report, missing=missing)


def _find_rspec(project: FoundProject) -> Iterator[FoundTests]:
    spec = next(Path(project.root, "spec").glob("**/*_spec.rb"), None)
    if not project.has(".rspec") and spec is None:
        return
    found = ".rspec" if project.has(".rspec") else str(spec and spec.relative_to(project.root))
    gems = project.read("Gemfile.lock") + project.read("Gemfile")
    command, report, hint = ["bundle", "exec", "rspec"] if gems else ["rspec"], "", ""
    missing = project.program(command[0])
    if "rspec_junit_formatter" in gems:
        report = "build/rspec.xml"
        command += ["--format", "progress", "--format", "RspecJunitFormatter", "--out", report]
    else:
        hint = "With the gem rspec_junit_formatter each example could be a test of its own."
    yield _entry("rspec", f"{found} is RSpec's.", command, report, hint=hint, missing=missing)


def _find_ctest(project: FoundProject) -> Iterator[FoundTests]:
    if not re.search(r"(?im)^\s*(enable_testing\s*\(|include\s*\(\s*CTest)", project.read("CMakeLists.txt")):
        return
    build = "cmake -S . -B build && cmake --build build"
    test = "ctest --test-dir build --output-on-failure --output-junit ctest.xml"
    why = "tests are built first, and all of it is one command"
    missing = project.program("cmake") or project.program("ctest")
    found = "CMakeLists.txt enables CTest."
    yield _entry("ctest", found, f"{build} && {test}", "build/ctest.xml", why=why, missing=missing)


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
        yield _entry("make", f"{file} has a target `{target}`.", ["make", target], missing=missing)
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
