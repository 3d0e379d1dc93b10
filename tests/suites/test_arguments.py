"""What `pulseq run` may be given, and what it makes of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import ConfigurationError, NothingToRunError, UsageError
from pulseq.models import PytestBody, Suite
from pulseq.suites.arguments import load_arguments


def refuse(*arguments: str, **options: Any) -> str:
    with pytest.raises(UsageError) as refusal:
        load_arguments(arguments, **options)
    return str(refusal.value)


def get_entry(suite: Suite) -> tuple[str, str, str]:
    [test] = suite.tests
    return (suite.name, test.id, test.cwd)


@pytest.fixture(autouse=True)
def _folder(write: Any) -> None:
    write("tests: [{id: a, command: x}, {id: b, pytest: t, python: other}]", "one.yaml")
    write("suite: second\ntests: [{id: c, command: x}]", "two.yml")
    write("[[tests]]\nid = 'a'\ncommand = 'x'\n", "three.toml")
    write("", "tests/unit/test_x.py")


def test_a_suite_file_is_loaded() -> None:
    suite = load_arguments(["one.yaml"])
    assert (suite.name, suite.source, [test.id for test in suite.tests]) == ("one", "one.yaml", ["a", "b"])


def test_several_suite_files_are_one_suite() -> None:
    suite = load_arguments(["one.yaml", "two.yml"])
    assert (suite.name, suite.source, [test.id for test in suite.tests]) == ("one+second", None, ["a", "b", "c"])


def test_a_suite_knows_the_projects_whose_history_is_its_own() -> None:
    here = os.getcwd()
    named, both = load_arguments(["./one.yaml"]), load_arguments(["two.yml", "one.yaml"])
    assert (f"{here}/one.yaml",) == named.projects == load_arguments([f"{here}/one.yaml"]).projects
    assert (f"{here}/one.yaml", f"{here}/two.yml") == both.projects

    for targets in ([], ["tests"], ["tests/unit/test_x.py::test_a"]):
        assert (here,) == load_arguments(targets).projects


@pytest.mark.parametrize(
    ("targets", "pytest_args", "part"),
    [
        (["one.yaml"], [], False),
        ([], [], False),
        (["tests"], [], True),
        ([], ["-x"], True),
        (["one.yaml"], ["-x"], True),
    ],
)
def test_a_suite_knows_whether_pytest_looks_at_a_part_alone(
    targets: list[str], pytest_args: list[str], part: bool
) -> None:
    assert part is load_arguments(targets, pytest_args=pytest_args).part


@pytest.mark.parametrize(
    ("targets", "name"),
    [
        (["tests/unit"], "unit"),
        (["tests/unit/"], "unit"),
        (["tests/unit/test_x.py"], "test_x"),
        (["tests/unit/test_x.py::test_a[1]"], "test_x"),
        (["tests", "tests/unit", "tests/unit/test_x.py"], "tests+unit+test_x"),
    ],
)
def test_paths_and_node_ids_are_one_pytest_entry(targets: list[str], name: str) -> None:
    suite = load_arguments(targets, pytest_args=["-x"])
    assert get_entry(suite) == (name, "pytest", os.getcwd())
    assert suite.tests[0].body == PytestBody(tuple(targets), ("-x",), direct=True)


def test_this_folder_has_its_own_name() -> None:
    assert load_arguments(["."]).name == Path.cwd().name


def test_many_targets_are_called_like_their_folder() -> None:
    for name in "abcd":
        Path(f"test_{name}.py").touch()
    assert load_arguments([f"test_{name}.py" for name in "abcd"]).name == Path.cwd().name


def test_packages_are_one_pytest_entry() -> None:
    suite = load_arguments(["networkx"], pyargs=True)
    assert get_entry(suite) == ("networkx", "pytest", os.getcwd())
    assert suite.tests[0].body == PytestBody(("networkx",), pyargs=True, direct=True)


def test_suite_files_and_paths_go_together() -> None:
    suite = load_arguments(["tests", "two.yml"])
    assert (suite.name, [test.id for test in suite.tests]) == ("second+tests", ["c", "pytest"])


def test_an_interpreter_is_for_tests_that_name_none() -> None:
    suite = load_arguments(["one.yaml"], python=".venv/bin/python")
    assert [test.python for test in suite.tests] == [os.path.abspath(".venv/bin/python"), "other"]


def test_pytest_s_arguments_reach_every_pytest_entry() -> None:
    suite = load_arguments(["one.yaml"], pytest_args=["-x", "--ff"])
    assert suite.tests[1].body == PytestBody(("t",), ("-x", "--ff"))


def test_pytest_s_arguments_without_a_pytest_entry_are_refused() -> None:
    assert refuse("two.yml", pytest_args=["-x"]) == "found '-x' for pytest, but no test here is pytest's; leave it out"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("test", "found no file or directory 'test'; did you mean 'tests'?"),
        ("oen.yaml", "found no file or directory 'oen.yaml'; did you mean 'one.yaml'?"),
        ("tests/unti/x.py::y", "found no file or directory 'tests/unti/x.py'"),
        (
            "README",
            "found 'README', expected a suite file (.yaml, .yml, .toml), a directory, a test_*.py file "
            "or a pytest node id",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(argument: str, message: str) -> None:
    Path("README").touch()
    assert refuse(argument) == message


def test_a_folder_without_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", deny)
    assert refuse("tests") == "'tests' cannot be read: Permission denied"


def test_nothing_at_all_is_refused() -> None:
    assert refuse(pyargs=True) == "found no package, expected names of Python packages after --pyargs"


def test_an_id_that_two_files_have_is_told_with_both_places() -> None:
    expected = "three.toml:1: id: found 'a' again, expected an id that no other test has; the first is at one.yaml:1"
    assert refuse("one.yaml", "three.toml") == expected


@pytest.mark.parametrize(
    ("other", "also"),
    [("one.yaml", ""), ("./one.yaml", ", which is 'one.yaml'"), ("link.yaml", ", which is 'one.yaml'")],
)
def test_a_file_that_is_named_again_is_refused(other: str, also: str) -> None:
    Path("link.yaml").symlink_to("one.yaml")
    assert refuse("one.yaml", other) == f"found '{other}' again{also}, expected each suite file once"


def test_the_problems_of_all_files_are_told_together(write: Any) -> None:
    write("tests: [{id: a}]", "bad.yaml")
    write("tests: 5", "worse.yaml")
    with pytest.raises(ConfigurationError) as refusal:
        load_arguments(["bad.yaml", "one.yaml", "worse.yaml"])
    assert [problem.file for problem in refusal.value.problems] == ["bad.yaml", "worse.yaml"]


def test_files_without_tests_leave_nothing_to_run(write: Any) -> None:
    write("tests: []", "empty.yaml")
    write("tests: []", "void.yaml")
    with pytest.raises(NothingToRunError) as refusal:
        load_arguments(["empty.yaml", "void.yaml"])
    assert str(refusal.value) == "found no tests in 'empty.yaml', 'void.yaml'"
