"""What `pulseq run` is given: suite files, and paths, node ids or packages for pytest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from pulseq.errors import ConfigurationError, NothingToRunError, Problem, UsageError
from pulseq.models import PytestBody, Suite, TestCase
from pulseq.project import ProjectSpec
from pulseq.suites.documents import find_repeated, shorten
from pulseq.suites.one_test import locate_python
from pulseq.suites.reading import SUFFIXES, describe_missing
from pulseq.suites.rootdir import find_rootdir
from pulseq.suites.suite_file import load_suite

_MOST_NAMED = 3


def load_arguments(
    arguments: Sequence[str],
    *,
    pytest_args: Sequence[str] = (),
    pyargs: bool = False,
    python: str | None = None,
) -> Suite:
    """One suite of all that is named: the tests of suite files, and one pytest entry for the rest.

    Args:
        arguments: suite files (.yaml, .yml, .toml), directories, `test_*.py` files, pytest node
            ids; with `pyargs` anything that is no suite file is a package. None at all is what pytest takes
            by itself: its `testpaths`, or else the working directory.
        pytest_args: what pytest gets besides, in each pytest entry.
        python: interpreter for the tests that name none themselves.

    Raises:
        UsageError: something named is not there, or is nothing that can be run.
        ConfigurationError: problems in suite files, an id that two of them have.
        NothingToRunError: there is no test in any of them.
    """
    if not arguments and pyargs:
        raise UsageError("found no package, expected names of Python packages after --pyargs")
    files = [argument for argument in arguments if _is_suite_file(argument)]
    _refuse_repeated(files)
    targets = [argument for argument in arguments if not _is_suite_file(argument)]
    for target in [] if pyargs else targets:
        _check_target(target)
    suites = _load_files(files)
    if targets or not arguments:
        suites.append(_make_pytest_suite(targets, pytest_args, pyargs=pyargs))
    tests = [test for suite in suites for test in suite.tests]
    _refuse_shared_ids(tests)
    if not tests:
        raise NothingToRunError(f"found no tests in {_join(files)}")
    if pytest_args and not any(isinstance(test.body, PytestBody) for test in tests):
        raise UsageError(f"found {_join(pytest_args)} for pytest, but no test here is pytest's; leave it out")
    located = locate_python(python, Path.cwd()) if python else None
    return Suite(
        "+".join(dict.fromkeys(suite.name for suite in suites)),
        tuple(_complete(test, tuple(pytest_args), located) for test in tests),
        suites[0].source if len(suites) == 1 else None,
        tuple(sorted({project for suite in suites for project in suite.projects})),
        part=bool(targets or pytest_args),
        artifacts_limit=max(suite.artifacts_limit for suite in suites),
        project=_join_projects(suites),
    )


def _join_projects(suites: Sequence[Suite]) -> ProjectSpec:
    """The project that they have in common, as far as they say something of it."""
    told = list(dict.fromkeys(suite.project for suite in suites if suite.project != ProjectSpec()))
    if len(told) > 1:
        files = _join(suite.source or suite.name for suite in suites if suite.project != ProjectSpec())
        raise UsageError(f"found another `project` in each of {files}, expected one: run them one after the other")
    return told[0] if told else ProjectSpec()


def _is_suite_file(argument: str) -> bool:
    return argument.lower().endswith(SUFFIXES)


def _refuse_repeated(files: Sequence[str]) -> None:
    for index, first in find_repeated(map(os.path.realpath, files)):
        also = "" if files[first] == files[index] else f", which is '{files[first]}'"
        raise UsageError(f"found '{files[index]}' again{also}, expected each suite file once")


def _join(words: Iterable[str]) -> str:
    return ", ".join(f"'{shorten(word)}'" for word in words)


def _check_target(target: str) -> None:
    """Raise UsageError unless pytest could take this path or node id."""
    name, _, item = target.partition("::")
    path = Path(name)
    try:
        if not path.exists():
            raise UsageError(describe_missing(path))
        if path.is_dir():
            with os.scandir(path):
                return
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}") from error
    if path.suffix != ".py" and not item:
        kinds = "a suite file (.yaml, .yml, .toml), a directory, a test_*.py file or a pytest node id"
        raise UsageError(f"found '{path}', expected {kinds}")


def _load_files(files: Sequence[str]) -> list[Suite]:
    """The suites of these files; the problems of all of them are raised together."""
    suites: list[Suite] = []
    problems: list[Problem] = []
    for file in files:
        try:
            suites.append(load_suite(Path(file)))
        except ConfigurationError as error:
            problems += error.problems
        except NothingToRunError:
            if len(files) == 1:
                raise
    if problems:
        raise ConfigurationError(problems)
    return suites


def _refuse_shared_ids(tests: Sequence[TestCase]) -> None:
    problems = []
    for index, first in find_repeated(test.id for test in tests):
        file, _, line = (tests[index].location or "command line:").rpartition(":")
        expected = f"an id that no other test has; the first is at {tests[first].location or 'the command line'}"
        found = f"'{shorten(tests[index].id)}' again"
        problems.append(Problem(file, int(line) if line else None, "id", found, expected))
    if problems:
        raise ConfigurationError(problems)


def _make_pytest_suite(targets: Sequence[str], pytest_args: Sequence[str], *, pyargs: bool) -> Suite:
    cwd = Path.cwd()
    entry = TestCase("pytest", PytestBody(tuple(targets), pyargs=pyargs, direct=True), name="pytest", cwd=str(cwd))
    names = list(dict.fromkeys(target if pyargs else _name_target(target) for target in targets))
    name = "+".join(names) if 0 < len(names) <= _MOST_NAMED else cwd.name or "pytest"
    rootdir = find_rootdir([] if pyargs else targets, pytest_args, cwd)
    return Suite(name, (entry,), targets[0] if len(targets) == 1 else None, (str(rootdir),))


def _name_target(target: str) -> str:
    path = Path(os.path.abspath(target.partition("::")[0]))
    return path.stem if path.suffix == ".py" else path.name or "pytest"


def _complete(test: TestCase, pytest_args: tuple[str, ...], python: str | None) -> TestCase:
    if pytest_args and isinstance(test.body, PytestBody):
        test = replace(test, body=structs.replace(test.body, args=(*test.body.args, *pytest_args)))
    return replace(test, python=python) if python and test.python is None else test
