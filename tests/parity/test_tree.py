"""What a run left in its tree."""

from __future__ import annotations

from pathlib import Path

from tests.parity.tree import changed_files, copy_tree, digest_files


def test_new_changed_and_removed_files_are_told_and_caches_are_not(tmp_path: Path) -> None:
    for name in ("same", "changed", "removed"):
        (tmp_path / name).write_text(name)
    before = digest_files(tmp_path)

    (tmp_path / "removed").unlink()
    (tmp_path / "changed").write_text("otherwise")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.xml").touch()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "test_a.pyc").touch()

    assert ("changed", "out/report.xml", "removed (gone)") == changed_files(before, digest_files(tmp_path))


def test_a_copy_replaces_what_was_there_and_has_no_bytecode(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    (source / "__pycache__").mkdir(parents=True)
    (source / "test_a.py").touch()
    place.mkdir()
    (place / "left").touch()

    copy_tree(source, place)

    assert ["test_a.py"] == [path.name for path in place.iterdir()]


def test_without_a_source_the_tree_is_empty(tmp_path: Path) -> None:
    copy_tree(None, tmp_path / "place")

    assert [] == list((tmp_path / "place").iterdir())
