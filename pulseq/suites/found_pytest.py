"""pytest's tests in a directory: by its configuration, or by the names of files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pulseq.suites.documents import shorten
from pulseq.suites.found_project import FoundProject
from pulseq.suites.pytest_config import Options, read_options
from pulseq.suites.starter import FoundTests, Line

_ENVIRONMENTS = (".venv", "venv", "env")
_USUAL_NAMES = ("test_*.py", "*_test.py")
_USUAL_FOLDERS = ("tests", "test")


def find_pytest(project: FoundProject) -> Iterator[FoundTests]:
    """The entry for pytest's tests, if there are any."""
    where, options = read_options(project)
    patterns = _words(options.get("python_files")) or list(_USUAL_NAMES)
    found = next((file for file in project.own_files() if any(fnmatch(file.name, one) for one in patterns)), None)
    if where is None and found is None:
        return
    targets, why = _choose_targets(project, where, options, found)
    reason = f"{where} configures pytest." if where else f"{found} is named as pytest names tests."
    lines = [Line("pytest", targets[0] if len(targets) == 1 else targets, why), *_choose_python(project)]
    yield FoundTests(
        "pytest",
        f"{reason} Each of its items becomes a test of its own.",
        lines,
        missing="" if found else f"no file is named {' or '.join(map(shorten, patterns))}.",
    )


def _words(value: Any) -> list[str]:
    """A list of texts, or text of words, as pytest's configuration has them."""
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError:
            return []
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _choose_targets(
    project: FoundProject, where: str | None, options: Options, found: Path | None
) -> tuple[list[str], str]:
    """The paths for pytest, and why these."""
    wanted = [path for glob in _words(options.get("testpaths")) for path in _expand(project.root, glob)]
    if wanted:
        return wanted, f"`testpaths` of {where}"
    folders = [name for name in _USUAL_FOLDERS if found and found.parts[0] == name and len(found.parts) > 1]
    if where is None and folders:
        return folders, ""
    return ["."], ""


def _expand(root: Path, glob: str) -> list[str]:
    try:
        return sorted(str(path.relative_to(root)) for path in root.glob(glob))
    except (ValueError, NotImplementedError, OSError):  # an absolute or an empty one
        return []


def _choose_python(project: FoundProject) -> Iterator[Line]:
    """The interpreter of the project's own environment, where it has one with pytest."""
    for name in _ENVIRONMENTS:
        folder = project.root / name
        if not (folder / "bin" / "python").exists() or folder.resolve() == project.own_prefix.resolve():
            continue
        if any(folder.glob("lib/python3*/site-packages/pytest/__init__.py")):
            yield Line("python", f"{name}/bin/python", "the project's own environment, which has pytest")
            return
