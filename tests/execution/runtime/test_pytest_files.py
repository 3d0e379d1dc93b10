"""The files that a session is going to import are known before, near enough."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pulseq.execution.runtime.pytest_files import FilesAhead, read_ini

INI = {"python_files": ["test_*.py", "*_test.py"], "norecursedirs": ["build", ".*"]}


def _ahead(root: Path, *names: str) -> list[str]:
    config: Any = SimpleNamespace(getini=INI.__getitem__)
    session = SimpleNamespace(config=config, _initialpaths=frozenset(root / name for name in names))
    return [str(path.relative_to(root)) for path in FilesAhead(session)]


def _make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_files_come_in_the_order_of_a_collection(tmp_path: Path) -> None:
    _make(tmp_path, "test_z.py", "a/test_b.py", "a/b_test.py", "a/notes.py", "m/c/test_d.py", "conftest.py")

    assert _ahead(tmp_path, ".") == ["a/b_test.py", "a/test_b.py", "m/c/test_d.py", "test_z.py"]


def test_what_pytest_does_not_enter_is_left_out(tmp_path: Path) -> None:
    _make(
        tmp_path, "build/test_a.py", ".git/test_b.py", "env/pyvenv.cfg", "env/lib/test_c.py", "x/__pycache__/test_d.py"
    )

    assert _ahead(tmp_path, ".") == []


def test_a_file_that_was_named_counts_whatever_its_name(tmp_path: Path) -> None:
    _make(tmp_path, "checks.py", "README.md")

    assert _ahead(tmp_path, "checks.py", "README.md", "gone") == ["checks.py"]


def test_an_option_that_this_pytest_does_not_know_is_none() -> None:
    assert read_ini(SimpleNamespace(getini=INI.__getitem__), "no_such_option") is None
