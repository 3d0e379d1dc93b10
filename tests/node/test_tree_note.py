"""What a tree was, and what of it still is."""

from __future__ import annotations

import importlib.util
import mmap
import os
import py_compile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pulseq.blobs import digest_of
from pulseq.node import tree_note
from pulseq.node.tree_note import Left, TreeNote
from pulseq.protocol.project_files import Manifest, ProjectFile

FILES = {"a.py": b"x = 1\n", "d/b.py": b"y = 2\n", "d/e/c.txt": b"text"}
AGE_NS = 1_000_000_000
#: What there may be in a directory of what Python has compiled; the first two of a file that stays.
PUT = ["b.cpython-312.pyc", "b.cpython-312-pytest-8.4.1.pyc", "gone.cpython-312.pyc", "data", "b.d/f"]


def file_of(path: str, data: bytes) -> ProjectFile:
    return ProjectFile(path, digest_of(data), len(data), 0o644, AGE_NS)


MANIFEST = Manifest("/p", tuple(file_of(*item) for item in FILES.items()), (("l", "d/e"),), ("empty",))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_place(tmp_path)


def make_place(directory: Path) -> Path:
    """A tree as it is made."""
    place = directory / "p"
    for path, data in FILES.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
        (place / path).chmod(0o644)
        os.utime(place / path, ns=(AGE_NS, AGE_NS))
    (place / "empty").mkdir()
    (place / "l").symlink_to("d/e")
    return place


@pytest.fixture
def note(place: Path, tmp_path: Path) -> TreeNote:
    TreeNote.take(place, MANIFEST, {}).write(tmp_path / "note")
    note = TreeNote.read(tmp_path / "note")
    assert note is not None
    return note


def rewrite(path: Path) -> None:
    """Write as much to it, with the same time."""
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(AGE_NS, AGE_NS))


def write_by_memory(path: Path) -> None:
    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as data:
        data[0] = ord("X")


def read_and_write_by_memory(path: Path) -> None:
    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as data:
        data[0] = data[0] ^ 1


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").rename(path)


def link_outside(path: Path) -> None:
    os.link(path, path.parents[1] / "outside")


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "written": ("a.py", rewrite),
    "written by way of memory": ("a.py", write_by_memory),
    "read and written by way of memory": ("a.py", read_and_write_by_memory),
    "replaced": ("a.py", replace),
    "known by a second name": ("a.py", link_outside),
    "another mode": ("a.py", lambda path: path.chmod(0o755)),
    "a link": ("a.py", lambda path: (path.unlink(), path.symlink_to("d/b.py"))),
    "gone": ("a.py", lambda path: path.unlink()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_was_changed_is_removed_whatever_its_time_says(note: TreeNote, place: Path, change: str) -> None:
    path, apply = CHANGES[change]
    apply(place / path)

    assert {"d/b.py", "d/e/c.txt"} == set(note.keep_unchanged(place).files)
    assert not os.path.lexists(place / path)


def test_what_was_put_there_is_removed_but_for_what_python_compiled(note: TreeNote, place: Path) -> None:
    for path in ("new", "d/new", "fresh/new", "fresh/__pycache__/n.pyc", *(f"d/__pycache__/{name}" for name in PUT)):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text("x")
    (place / "fresh").chmod(0)

    assert set(FILES) == set(note.keep_unchanged(place).files)
    assert ["a.py", "d", "empty"] == sorted(os.listdir(place))
    assert ["__pycache__", "b.py", "e"] == sorted(os.listdir(place / "d"))
    assert set(PUT[:2]) == set(os.listdir(place / "d" / "__pycache__"))


@pytest.mark.parametrize("name", ["m.py", "m.old.py"])
def test_what_was_compiled_goes_with_its_file(tmp_path: Path, name: str) -> None:
    files = [file_of(path, b"x = 1") for path in ("d/a.py", "d/m.py", f"d/{name}")]
    manifest = Manifest("/p", tuple(dict.fromkeys(files)))
    place = tmp_path / "p"
    (place / "d").mkdir(parents=True)
    for file in manifest.files:
        (place / file.path).write_bytes(b"x = 1")
        (place / file.path).chmod(0o644)
        os.utime(place / file.path, ns=(AGE_NS, AGE_NS))
        py_compile.compile(str(place / file.path))
    compiled = Path(importlib.util.cache_from_source(str(place / "d" / name)))
    all_compiled = set(os.listdir(compiled.parent))
    note = TreeNote.take(place, manifest, {})
    other = tuple(file_of(file.path, b"x = 2" if file.path == f"d/{name}" else b"x = 1") for file in manifest.files)

    note.keep_unchanged(place)
    assert all_compiled == set(os.listdir(compiled.parent))
    note.keep_unchanged(place, Manifest("/p", other))
    assert all_compiled - {compiled.name} == set(os.listdir(compiled.parent))


def test_what_was_compiled_of_a_file_that_a_test_has_removed_goes(note: TreeNote, place: Path) -> None:
    py_compile.compile(str(place / "d/b.py"))
    (place / "d/b.py").unlink()
    note.keep_unchanged(place)
    assert [] == os.listdir(place / "d" / "__pycache__")


def test_a_directory_that_lets_others_in_is_made_anew(note: TreeNote, place: Path) -> None:
    (place / "d").chmod(0o777)
    (place / "empty").chmod(0)
    assert {"a.py"} == set(note.keep_unchanged(place).files)
    assert ["a.py"] == os.listdir(place)


def test_a_root_that_is_another_one_is_refused(note: TreeNote, place: Path) -> None:
    place.chmod(0o777)
    with pytest.raises(PermissionError, match="another directory"):
        note.keep_unchanged(place)


def test_of_another_project_only_what_is_the_same_is_left(note: TreeNote, place: Path) -> None:
    (place / "d" / "e" / "__pycache__").mkdir()
    changed = (file_of("a.py", b"x = 3\n"), file_of("d/b.py", FILES["d/b.py"]), file_of("empty/new", b""))

    assert {"d/b.py"} == set(note.keep_unchanged(place, Manifest("/p", changed)).files)
    assert ["d", "empty"] == sorted(os.listdir(place))
    assert ["b.py"] == os.listdir(place / "d")


def test_a_file_where_a_directory_was_and_the_reverse_have_their_place(note: TreeNote, place: Path) -> None:
    wanted = Manifest("/p", (file_of("a.py/f", b""), file_of("d", b"")))
    assert Left({}, 0) == note.keep_unchanged(place, wanted)
    assert [] == os.listdir(place)


def test_what_was_left_is_noted_as_it_was(note: TreeNote, place: Path) -> None:
    known = note.keep_unchanged(place).files
    (place / "a.py").write_text("changed since")
    assert note.files == TreeNote.take(place, MANIFEST, known).files


def test_where_the_file_system_tells_of_no_change_nothing_is_noted(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_note, "_tells_of_changes", lambda _, after: False)
    TreeNote.take(place, MANIFEST, {}).write(tmp_path / "note")

    assert TreeNote.read(tmp_path / "note") is None
    assert ["p"] == os.listdir(tmp_path)


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="this machine has no tmpfs at /dev/shm")
def test_in_memory_no_change_is_missed_for_nothing_is_noted_where_one_would_be() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        place = make_place(Path(name))
        TreeNote.take(place, MANIFEST, {}).write(Path(name, "note"))
        read_and_write_by_memory(place / "a.py")

        noted = TreeNote.read(Path(name, "note"))
        assert "a.py" not in (noted.keep_unchanged(place).files if noted else {})


def test_times_that_lie_ahead_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_note, "_TURNS", 2)
    ahead = TreeNote(0, {"f": (b"", (0, 0, 2**62, 0, 0))}, {})
    ahead.write(tmp_path / "note")
    assert [] == os.listdir(tmp_path)


@pytest.mark.parametrize("data", [b"", b"x", b"\x93\x01\x02\x03"])
def test_what_is_no_note_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "note").write_bytes(data)
    assert TreeNote.read(tmp_path / "note") is None


def test_a_name_that_is_no_text_is_not_noted(place: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff")
    (place / name).write_bytes(b"")
    TreeNote.take(place, Manifest("/p", (file_of(name, b""),)), {}).write(tmp_path / "note")
    assert ["p"] == os.listdir(tmp_path)
