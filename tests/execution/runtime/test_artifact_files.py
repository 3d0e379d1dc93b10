"""What globs find that an attempt has written, and what does not come home."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pulseq.execution.runtime import artifact_files
from pulseq.execution.runtime.artifact_files import Collector, FileRefusedError, check_unchanged, open_regular


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    folder = tmp_path / "cwd"
    (folder / "shots").mkdir(parents=True)
    return folder


def collector(cwd: Path, *globs: str, of: str = "failed", limit: int = 1000) -> Collector:
    return Collector({"globs": globs, "of": of, "limit": limit, "cwd": str(cwd)})


def collect(one: Collector, cwd: Path) -> tuple[dict[str, str], list[str]]:
    """What was copied, and the warnings."""
    place = cwd.parent / "place"

    def the_place() -> str:
        place.mkdir(exist_ok=True)
        return str(place)

    warnings = one.collect(the_place)
    found = place / "found"
    return {str(file.relative_to(found)): file.read_text() for file in found.rglob("*") if file.is_file()}, warnings


def test_only_what_is_new_or_changed_is_copied(cwd: Path) -> None:
    (cwd / "shots" / "old.png").write_text("old")
    (cwd / "shots" / "changed.png").write_text("before")
    one = collector(cwd, "shots/**/*.png")
    one.note()
    (cwd / "shots" / "changed.png").write_text("after it")
    (cwd / "shots" / "deep").mkdir()
    (cwd / "shots" / "deep" / "new.png").write_text("new")
    (cwd / "other.png").write_text("not asked for")
    assert ({"shots/changed.png": "after it", "shots/deep/new.png": "new"}, []) == collect(one, cwd)


def test_what_one_process_noted_another_one_knows(cwd: Path) -> None:
    (cwd / "old.png").write_text("old")
    marks = collector(cwd, "*.png").note()
    other = collector(cwd, "*.png")
    other.restore([list(mark) for mark in marks])
    assert ({}, []) == collect(other, cwd)


def test_no_place_is_made_where_there_is_nothing(cwd: Path) -> None:
    def no_place() -> str:
        raise AssertionError

    assert [] == collector(cwd, "*.png").collect(no_place)


def test_a_link_that_leads_out_is_told_and_not_followed(cwd: Path) -> None:
    secret = cwd.parent / "secret.png"
    secret.write_text("secret")
    (cwd / "out.png").symlink_to(secret)
    (cwd / "in.png").write_text("in")
    (cwd / "same.png").symlink_to("in.png")
    found, warnings = collect(collector(cwd, "*.png"), cwd)
    assert {"in.png": "in"} == found
    assert ["not kept as artifacts: 'out.png' (a link that leads out of its directory)"] == warnings


def test_what_is_no_file_is_told(cwd: Path) -> None:
    os.mkfifo(cwd / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(cwd / "socket.png"))
        found, warnings = collect(collector(cwd, "*.png"), cwd)
    assert {} == found
    # To open a socket fails in other words.
    assert "not kept as artifacts: 'pipe.png' (no regular file)" == warnings[0]
    assert warnings[1].startswith("not kept as artifacts: 'socket.png' (")


def test_what_is_over_the_limit_is_left_out_and_what_fits_is_not(cwd: Path) -> None:
    for name, size in {"a.bin": 600, "b.bin": 600, "c.bin": 300}.items():
        (cwd / name).write_text("x" * size)
    found, warnings = collect(collector(cwd, "*.bin"), cwd)
    assert {"a.bin", "c.bin"} == found.keys()
    assert ["not kept as artifacts: 'b.bin' (over the artifacts_limit of 1000 bytes)"] == warnings


def test_of_very_many_files_the_first_are_copied(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_files, "MOST_FILES", 2)
    for number in range(6):
        (cwd / f"{number}.txt").write_text("")
    found, warnings = collect(collector(cwd, "*.txt"), cwd)
    assert {"0.txt", "1.txt"} == found.keys()
    assert ["not kept as artifacts: '2.txt', '3.txt', '4.txt' and 1 more (over 2 files)"] == warnings


def test_a_name_is_told_in_characters_that_any_terminal_shows(cwd: Path) -> None:
    os.mkfifo(os.fsencode(cwd) + b"/\x1b[2J\xff.x")
    _, warnings = collect(collector(cwd, "*.x"), cwd)
    assert ["not kept as artifacts: '\\x1b[2J\\\\xff.x' (no regular file)"] == warnings


def test_a_file_that_vanishes_or_changes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileRefusedError, match="gone before it was read"):
        open_regular(str(path))
    path.write_text("1")
    file, state = open_regular(str(path))
    with file:
        check_unchanged(file, state)
        path.write_text("12")
        with pytest.raises(FileRefusedError, match="changed while it was read"):
            check_unchanged(file, state)


def test_a_file_that_grows_while_it_is_copied_leaves_no_copy(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = cwd / "a.log"
    growing.write_text("1")
    copy_bytes = artifact_files._copy_bytes

    def copy_while_it_grows(*arguments: Any) -> None:
        copy_bytes(*arguments)
        growing.write_text("22")

    monkeypatch.setattr(artifact_files, "_copy_bytes", copy_while_it_grows)
    assert ({}, ["not kept as artifacts: 'a.log' (changed while it was read)"]) == collect(collector(cwd, "*.log"), cwd)


STATUSES = ["passed", "failed", "error", "skipped"]


@pytest.mark.parametrize(("of", "wanted"), [("failed", ["failed", "error"]), ("all", STATUSES)])
def test_of_which_attempts_files_come_home(cwd: Path, of: str, wanted: list[str]) -> None:
    assert wanted == list(filter(collector(cwd, "*", of=of).wants, STATUSES))
