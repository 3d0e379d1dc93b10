"""What git knows of a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.projects.git_files import find_work_tree, list_with_git
from tests.projects.conftest import git


def test_tracked_files_and_those_that_are_not_ignored_are_listed(project: Path) -> None:
    git(project, "init")
    (project / ".gitignore").write_text("build\n*.log\n")
    git(project, "add", "a.py")
    (project / "a.log").write_text("")

    assert [".gitignore", "a.py", "src/b.py", "src/data/c.bin"] == list_with_git(project)
    assert ["b.py", "data/c.bin"] == list_with_git(project / "src")


def test_a_work_tree_in_it_is_listed_by_its_own_rules(project: Path) -> None:
    git(project, "init")
    git(project / "src", "init")
    (project / "src" / ".gitignore").write_text("data\n")

    assert ["a.py", "build/out.o", "src/.gitignore", "src/b.py"] == list_with_git(project)


def test_git_has_nothing_to_say_where_there_is_no_work_tree(project: Path) -> None:
    assert list_with_git(project) is None


def test_a_work_tree_is_found_from_within_unless_it_ignores_that(project: Path) -> None:
    git(project, "init")
    (project / ".gitignore").write_text("build\n")

    assert project == find_work_tree(project) == find_work_tree(project / "src" / "data")
    assert find_work_tree(project / "build") is None


def test_the_variables_of_a_hook_do_not_lead_elsewhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "init")
    monkeypatch.setenv("GIT_DIR", "/nowhere")

    assert ["a.py", "build/out.o", "src/b.py", "src/data/c.bin"] == list_with_git(project)


def test_without_git_it_has_nothing_to_say(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "init")
    monkeypatch.setenv("PATH", "")

    assert list_with_git(project) is None
