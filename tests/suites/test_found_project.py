"""A directory as it is looked at for a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.suites.found_project import FoundProject


def test_files_of_others_are_left_out(tmp_path: Path) -> None:
    for name in (
        "src/test_own.py",
        "node_modules/test_a.py",
        ".venv/lib/test_b.py",
        "venv/test_c.py",
        "build/test_d.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert [Path("src/test_own.py")] == list(FoundProject(tmp_path).own_files())


def test_of_very_many_files_the_first_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.suites.found_project._MOST_LOOKED_AT", 3)
    for number in range(10):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "file").touch()

    assert 1 > len(list(FoundProject(tmp_path).own_files()))


def test_a_file_that_is_no_text_is_read_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes(b"\xff\xfe test")

    assert FoundProject(tmp_path).read("Makefile").endswith(" test")
    assert FoundProject(tmp_path).read("gone") == ""


def test_only_what_may_be_run_is_a_program(tmp_path: Path) -> None:
    (tmp_path / "mvnw").touch(mode=0o644)
    project = FoundProject(tmp_path, find_program={"make": "/bin/make"}.get)

    assert not project.can_run("mvnw")
    assert project.program("make") is None
    assert project.program("go") == "there is no 'go' on this machine's PATH"


def test_the_root_directory_has_a_name_too() -> None:
    assert FoundProject(Path("/")).name == "suite"
