"""Where a project is, and what of its tests needs more than that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.models import CallBody, CommandBody, HttpBody, PytestBody, Suite, TestCase
from pulseq.project import PrepareSpec, ProjectSpec
from pulseq.projects.project_root import find_left_behind, find_named_outside, find_outside, find_root, refuse, say
from tests.projects.conftest import git


def suite_at(*projects: Path, root: Path | None = None) -> Suite:
    spec = ProjectSpec(root=str(root) if root else None)
    return Suite("s", (), projects=tuple(map(str, projects)), project=spec)


def test_the_root_is_that_of_the_git_work_tree_else_the_directory(project: Path) -> None:
    (project / "src" / "s.yaml").write_text("")
    suite = suite_at(project / "src" / "s.yaml")

    assert project / "src" == find_root(suite)
    git(project, "init")
    assert project == find_root(suite)
    assert project / "build" == find_root(suite_at(project / "src" / "s.yaml", root=project / "build"))


def test_tests_that_a_program_made_are_those_of_the_working_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "src")
    assert project / "src" == find_root(suite_at())


def test_several_projects_are_refused(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one where tests run on other hosts"):
        find_root(suite_at(project, tmp_path / "other"))


@pytest.mark.parametrize("root", ["/", "~", "/no/such/place"])
def test_what_is_no_project_is_refused(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="expected"):
        find_root(suite_at(root=Path(root).expanduser()))


HERE = Path("/p")
GOOD = TestCase("t", CommandBody(("true",)), cwd="/p/sub", python="/usr/bin/python3")


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (replace(GOOD, cwd="/q"), "found cwd '/q', which is outside of its project '/p'"),
        (replace(GOOD, cwd="/p2"), "found cwd '/p2'"),
        (replace(GOOD, body=CallBody("a:b"), python="/home/me/v/bin/python"), "found python '/home/me/v/bin/python'"),
        (replace(GOOD, body=PytestBody(("../../etc",))), "found '../../etc' for pytest"),
        (replace(GOOD, body=CommandBody(("../../bin/true",))), "found '../../bin/true' in its command"),
        (replace(GOOD, body=CommandBody(("sh", "../../etc/passwd", "x"))), "found '../../etc/passwd' in its command"),
    ],
)
def test_what_a_test_needs_from_outside_is_told_by_its_name(test: TestCase, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse(find_outside(Suite("s", (test,)), HERE))
    assert told in str(caught.value)
    assert "--no-ship" in str(caught.value)


@pytest.mark.parametrize(
    "test",
    [
        GOOD,
        replace(GOOD, python="python3.12"),
        replace(GOOD, python="/p/.venv/bin/python"),
        replace(GOOD, body=PytestBody(("../tests",))),
        replace(GOOD, body=CommandBody(("cat", "/etc/passwd", "../tests", "../../no/such/file", "main..main"))),
        replace(GOOD, body=CommandBody(("cat", "../../etc/passwd", "../../etc"))),
        replace(GOOD, body=CommandBody(("sh", "-c", "true", "../../etc/passwd"))),
        replace(GOOD, body=CommandBody(("git", "log", ".."))),
        replace(GOOD, body=CommandBody(("python3", "../../etc"))),
        replace(GOOD, body=CommandBody(("cat ../../etc/passwd",), shell=True)),
        replace(GOOD, body=PytestBody(("etc",), pyargs=True)),
        replace(GOOD, body=HttpBody("http://h"), cwd="/q"),
    ],
)
def test_what_hosts_may_have_is_not(test: TestCase) -> None:
    refuse(find_outside(Suite("s", (test,)), HERE))


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("cat", "../../etc/passwd"), ["../../etc/passwd"]),
        (("diff", "--", "../../etc/passwd", "../../etc/group"), ["../../etc/passwd", "../../etc/group"]),
        (("node", "--color=no", "../../etc/passwd"), ["../../etc/passwd"]),
        (("sh", "run.sh", "../../etc/passwd"), ["../../etc/passwd"]),
        (("sh", "../../etc/passwd"), []),  # which is refused
        (("tool", "-o", "../../etc/passwd", "--file=../../etc/passwd"), []),
        (("tool", "../../etc", "..", "../sub/t", "../../no/such/file", "/etc/passwd"), []),
    ],
)
def test_files_outside_that_a_command_may_read_are_told(argv: tuple[str, ...], named: list[str]) -> None:
    suite = Suite("s", (replace(GOOD, body=CommandBody(argv)), replace(GOOD, body=PytestBody((".",)))))
    lines = say(find_named_outside(suite, HERE)).splitlines()

    assert [f"test 't': found '{word}' in its command, a file outside of its project '/p'" for word in named] == [
        line.partition(" and so not")[0] for line in lines
    ]
    assert [] == [line for line in lines if "--no-ship" not in line]


def test_of_many_that_are_outside_five_are_told() -> None:
    tests = tuple(replace(GOOD, id=f"t{number}", cwd=f"/q{number}") for number in range(9))
    with pytest.raises(UsageError) as caught:
        refuse(find_outside(Suite("s", tests), HERE))
    assert 5 == str(caught.value).count("found cwd")
    assert str(caught.value).endswith("and 4 more")


def test_what_several_need_is_told_once_and_of_those_that_it_concerns() -> None:
    found = list(find_outside(Suite("s", tuple(replace(GOOD, id=name, cwd="/q") for name in "abc")), HERE))

    assert say(found).startswith("test 'a' and 2 more: found cwd '/q'")
    assert say(found, lambda test: test.id == "b").startswith("test 'b': found cwd '/q'")
    refuse(found, lambda _: False)


def test_an_interpreter_that_neither_travels_nor_is_made_is_told() -> None:
    suite = Suite("s", (replace(GOOD, python="/p/.venv/bin/python"),))
    made = replace(suite, project=ProjectSpec(prepare=PrepareSpec(("make",), outputs=(".venv",))))

    with pytest.raises(UsageError, match="which is not sent to other hosts"):
        refuse(find_left_behind(suite, HERE, ()))
    refuse(find_left_behind(suite, HERE, {".venv/bin/python"}))
    refuse(find_left_behind(made, HERE, ()))


def test_an_interpreter_that_is_a_name_is_the_hosts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refuse(find_left_behind(Suite("s", (replace(GOOD, python="python3.12"),)), tmp_path, ()))
