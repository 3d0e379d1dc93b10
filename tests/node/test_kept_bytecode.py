"""What Python has compiled of a project."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

from pulseq.node.kept_bytecode import KeptBytecode


def tree(holder: Path, *names: str) -> None:
    for name in names:
        (holder / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (holder / "shop" / name).write_text("x = 1\n")


def compiled(holder: Path) -> list[str]:
    return sorted(str(path.parent.parent.relative_to(holder / "shop")) for path in holder.rglob("*.pyc"))


def test_it_is_put_into_the_next_tree_in_the_same_place(tmp_path: Path) -> None:
    holder, kept = tmp_path / "w" / "one", KeptBytecode(tmp_path / "kept")
    names = ("a.py", "d/b.py", "gone/c.py", ".venv/lib/d.py")
    tree(holder, *names)
    for name in names:
        py_compile.compile(str(holder / "shop" / name))
    kept.keep(holder)
    assert [".venv/lib"] == compiled(holder)
    os.rename(holder, tmp_path / "away")
    tree(holder, "a.py", "d/b.py")
    kept.put_back(holder)

    assert [".", "d"] == compiled(holder)
    assert not (tmp_path / "kept" / "one").exists()


def test_a_place_without_any_gets_none(tmp_path: Path) -> None:
    holder, kept = tmp_path / "w" / "one", KeptBytecode(tmp_path / "kept")
    tree(holder, "a.py")
    kept.keep(holder)
    kept.put_back(holder)
    assert [] == compiled(holder)


def test_what_was_not_used_for_long_is_forgotten(tmp_path: Path) -> None:
    for name, seconds in (("old", 1000), ("new", 10**10)):
        (tmp_path / "kept" / name).mkdir(parents=True)
        os.utime(tmp_path / "kept" / name, (seconds, seconds))
    KeptBytecode(tmp_path / "kept").forget_old()
    assert ["new"] == os.listdir(tmp_path / "kept")
