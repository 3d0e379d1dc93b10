"""Trees that wait for the next run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.blobs import digest_of
from pulseq.node.kept_trees import KeptTrees
from pulseq.protocol.project_files import Manifest, ProjectFile

MANIFEST = Manifest("/p", (ProjectFile("f", digest_of(b"x"), 1, 0o644, 0),))


@pytest.fixture
def kept(tmp_path: Path) -> KeptTrees:
    return KeptTrees(tmp_path / "kept")


@pytest.fixture
def place(kept: KeptTrees, tmp_path: Path) -> Path:
    """A tree that was just made."""
    return make_place(kept, tmp_path, "one")


def make_place(kept: KeptTrees, tmp_path: Path, name: str) -> Path:
    place = tmp_path / "w" / name / "p"
    place.mkdir(parents=True)
    (place / "f").write_text("x")
    (place / "f").chmod(0o644)
    os.utime(place / "f", (0, 0))
    kept.note(place, MANIFEST, {})
    return place


def test_the_next_run_has_it_without_what_was_put_there(kept: KeptTrees, place: Path) -> None:
    inode = (place / "f").stat().st_ino
    (place / "left").write_text("by a test")

    assert kept.keep(place)
    assert not place.exists()
    kept.take(place.parent)
    assert {"f"} == set(kept.fit(place, MANIFEST))
    assert (["f"], inode) == (os.listdir(place), (place / "f").stat().st_ino)


def test_what_is_not_kept_is_not_there_to_be_taken(kept: KeptTrees, place: Path) -> None:
    kept.take(place.parent)
    place.joinpath("f").unlink()
    assert {} == kept.fit(place, MANIFEST)


def test_a_tree_of_which_nothing_is_known_is_not_kept_nor_used(kept: KeptTrees, place: Path, tmp_path: Path) -> None:
    (tmp_path / "kept" / "one.note").unlink()
    assert not kept.keep(place)
    with pytest.raises(FileNotFoundError, match="not known"):
        kept.fit(place, MANIFEST)


def test_one_with_something_beside_it_is_not_kept(kept: KeptTrees, place: Path) -> None:
    (place.parent / "beside").write_text("by a test")
    assert not kept.keep(place)


def test_one_that_a_process_still_uses_is_not_kept(kept: KeptTrees, place: Path) -> None:
    code = "import sys; stream = open('f', 'a'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not kept.keep(place)
        process.communicate()
    assert kept.keep(place)


def test_what_python_has_compiled_counts_with_the_tree(kept: KeptTrees, tmp_path: Path) -> None:
    manifest = Manifest("/p", (ProjectFile("m.py", digest_of(b"x"), 1, 0o644, 0),))
    place = tmp_path / "w" / "one" / "p"
    (place / "__pycache__").mkdir(parents=True)
    (place / "m.py").write_text("x")
    kept.note(place, manifest, {})
    (place / "__pycache__" / "m.cpython-312.pyc").write_bytes(bytes(1000))
    (place / "new").write_bytes(bytes(10))

    assert kept.keep(place)
    assert [1001] == [size for _, size, _ in kept.sizes()]


def test_one_that_cannot_be_noted_is_not_kept(kept: KeptTrees, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.node.tree_note._tells_of_changes", lambda _, after: False)
    assert not kept.keep(place)
    assert place.exists()


def test_how_much_is_kept_and_what_is_old(kept: KeptTrees, place: Path, tmp_path: Path) -> None:
    other = make_place(kept, tmp_path, "two")
    for one in (place, other):
        assert kept.keep(one)
    os.utime(tmp_path / "kept" / "one.note", (1000, 1000))

    (oldest, newest) = sorted(kept.sizes())
    assert (1000, 1, tmp_path / "kept" / "one") == oldest
    assert (1, tmp_path / "kept" / "two") == newest[1:]
    assert [tmp_path / "kept" / "one"] == list(kept.old())
