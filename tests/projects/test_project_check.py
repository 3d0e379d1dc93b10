"""What is told of a project before any of it is read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.models import CommandBody, Suite, TestCase
from pulseq.project import PrepareSpec, ProjectSpec
from pulseq.projects.project_check import NOT_PREPARED, PromisedPaths, refuse_unsendable, say_unmade
from tests.projects.conftest import git

PREPARE = PrepareSpec(("make",), inputs=("src/*.py",), outputs=(".venv", "out/*.so"))


@pytest.fixture
def suite(project: Path) -> Suite:
    test = TestCase("t", CommandBody(("true",)), cwd=str(project / "src"), python=str(project / ".venv/bin/python"))
    return Suite("s", (test,), projects=(str(project),), project=ProjectSpec(prepare=PREPARE))


def _with(suite: Suite, prepare: PrepareSpec | None) -> Suite:
    return replace(suite, project=replace(suite.project, prepare=prepare))


def _at(suite: Suite, cwd: Path) -> Suite:
    return replace(suite, tests=(replace(suite.tests[0], cwd=str(cwd)),))


def test_a_project_that_hosts_can_have_is_not_read(suite: Suite, project: Path) -> None:
    home = project / "home"

    refuse_unsendable(suite, home)

    assert not home.exists()  # where hashes of what was read are kept


def test_what_could_not_be_sent_or_made_ready_is_told(suite: Suite, project: Path, tmp_path: Path) -> None:
    git(project, "init")
    (project / ".gitignore").write_text("ignored\n.venv\n")
    (project / "ignored").touch()

    def refuse(of: Suite, told: str) -> None:
        with pytest.raises(UsageError, match=told):
            refuse_unsendable(of, tmp_path)

    refuse(_at(suite, tmp_path), "which is outside of its project")
    refuse(_with(suite, None), "which is not sent to other hosts")
    refuse(_with(suite, replace(PREPARE, inputs=("none.txt",))), "inputs: found no file 'none.txt'")
    refuse(_with(suite, replace(PREPARE, inputs=("ignored",))), "inputs: found no file 'ignored'")
    refuse(_with(suite, replace(PREPARE, outputs=(".venv", "/tmp"))), "outputs: found '/tmp'")
    refuse_unsendable(suite, tmp_path)


def test_what_prepare_makes_is_told_where_it_is_not_there(suite: Suite, project: Path) -> None:
    assert f"'.venv', 'out/*.so' of `prepare` is not here: {NOT_PREPARED}" == say_unmade(suite)

    (project / ".venv").mkdir()
    (project / "out").mkdir()
    (project / "out" / "fast.so").touch()

    assert say_unmade(suite) is None
    assert say_unmade(_with(suite, None)) is None


@pytest.mark.parametrize(
    ("output", "is_here"),
    [
        ("src/**.py", True),
        ("src/**.so", False),
        ("a/**b", False),
        (".", True),
        ("./", True),
        ("src/", True),
        ("**", True),
        ("**/.venv", False),
        (".*/bin", True),
        ("a\0/*", True),
    ],
)
def test_patterns_mean_here_what_they_mean_on_hosts(suite: Suite, project: Path, output: str, is_here: bool) -> None:
    (project / ".tox" / "bin").mkdir(parents=True)

    assert is_here == (say_unmade(_with(suite, replace(PREPARE, outputs=(output,)))) is None)


def test_paths_that_prepare_makes_are_known(suite: Suite, project: Path) -> None:
    promised = PromisedPaths(suite)

    there = [".venv", ".venv/bin/python", "out/fast.so", "out/other.txt", "src/.venv"]
    assert [True, True, True, False, False] == [promised.has(str(project / path)) for path in there]
    assert not promised.has(os.path.abspath(project / ".." / ".venv"))
    assert not promised.has(None)
    assert not PromisedPaths(_with(suite, None)).has(str(project / ".venv"))
