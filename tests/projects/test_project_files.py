"""Which files of a project travel."""

from __future__ import annotations

import ast
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import UsageError
from pulseq.project import ProjectSpec
from pulseq.projects.project_files import FoundFiles, find_files
from pulseq.security.authority import make_credentials
from pulseq.security.credentials import keep_credentials
from tests.projects.conftest import git


def found(root: Path, never: Path | None = None, **spec: tuple[str, ...]) -> FoundFiles:
    return find_files(root, ProjectSpec(**spec), never=[never] if never else [])


def test_all_of_a_directory_without_git_travels_with_its_empty_directories(project: Path) -> None:
    (project / "empty").mkdir()
    there = found(project)

    assert ["a.py", "build/out.o", "src/b.py", "src/data/c.bin"] == there.files
    assert ["empty"] == there.directories


def test_what_git_ignores_stays_unless_ship_names_it(project: Path) -> None:
    git(project, "init")
    (project / ".gitignore").write_text("build\n")

    assert [".gitignore", "a.py", "src/b.py", "src/data/c.bin"] == found(project).files
    assert ["build/out.o", "src/b.py"] == found(project, ship=("build", "src/*.py")).files


def test_what_is_excluded_stays(project: Path) -> None:
    assert ["a.py", "src/b.py"] == found(project, exclude=("build", "**/*.bin")).files
    assert ["src/b.py"] == found(project, ship=("src",), exclude=("src/data",)).files
    git(project, "init")
    assert ["a.py", "src/b.py"] == found(project, exclude=("build", "**/*.bin")).files


def test_git_and_state_directories_never_travel(project: Path) -> None:
    git(project, "init")
    (project / ".pulseq").mkdir()
    (project / ".pulseq" / "x").write_text("")
    (project / "state" / "runs").mkdir(parents=True)
    (project / "state" / "runs" / "y").write_text("")
    every = ["a.py", "build/out.o", "src/b.py", "src/data/c.bin"]

    assert every == found(project, project / "state").files
    assert every == found(project, project / "state", ship=("**",)).files


def test_a_file_that_git_tracks_and_that_is_gone_is_no_file(project: Path) -> None:
    git(project, "init")
    git(project, "add", ".")
    (project / "a.py").unlink()

    assert ["build/out.o", "src/b.py", "src/data/c.bin"] == found(project).files


def lose(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Have a directory vanish just before it is looked through."""
    scan = os.scandir

    def lose_and_scan(place: Path) -> Any:
        if place == directory:
            shutil.rmtree(directory)
        return scan(place)

    monkeypatch.setattr(os, "scandir", lose_and_scan)


def test_a_directory_that_vanishes_while_the_project_is_looked_through_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(monkeypatch, project / "build")

    assert ["a.py", "src/b.py", "src/data/c.bin"] == found(project).files


def test_a_project_that_vanishes_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(monkeypatch, project)

    with pytest.raises(UsageError, match="cannot be sent to other hosts: '' cannot be read"):
        found(project)


def test_a_link_that_vanishes_while_it_is_looked_at_is_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "link").symlink_to("a.py")
    read = os.readlink

    def lose_and_read(place: Any, **options: Any) -> Any:
        if place == project / "link":
            place.unlink()
        return read(place, **options)

    monkeypatch.setattr(os, "readlink", lose_and_read)

    assert [] == found(project).links


def test_links_within_travel_and_those_that_point_out_are_told(project: Path) -> None:
    (project / "in").symlink_to("src/b.py")
    (project / "src" / "whole").symlink_to(project / "build")
    (project / "out").symlink_to("/etc/passwd")
    (project / "up").symlink_to("..")
    (project / "nowhere").symlink_to("gone")
    there = found(project)

    assert [("in", "src/b.py"), ("nowhere", "gone"), ("src/whole", "../build")] == there.links
    assert ["out", "up"] == [path for path, _ in there.left_out]
    assert "points to '/etc/passwd', which is outside the project" == there.left_out[0][1]


def test_sockets_and_pipes_are_told(project: Path) -> None:
    os.mkfifo(project / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(project / "s"))
        assert [("pipe", "is a pipe"), ("s", "is a socket")] == found(project).left_out


def test_what_the_run_writes_to_and_credentials_stay_here(tmp_path: Path) -> None:
    keep_credentials(tmp_path / "lab1.pem", make_credentials("a site"))
    (tmp_path / "others.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    script = (
        "import sys; from pathlib import Path\n"
        "from pulseq.projects.project_files import find_files\n"
        "from pulseq.project import ProjectSpec\n"
        "found = find_files(Path('.'), ProjectSpec())\n"
        "print([found.files, found.left_out])\n"
    )
    with open(tmp_path / "run.out", "wb") as output:
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, stdout=output, check=True)

    assert [
        ["others.pem"],
        [
            ("lab1.pem", "holds credentials, with which any host would be a member of the site"),
            ("run.out", "is what this run writes to"),
        ],
    ] == ast.literal_eval((tmp_path / "run.out").read_text())
