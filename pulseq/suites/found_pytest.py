"""pytest's tests in a directory: by its configuration, or by the names of files."""

from __future__ import annotations

import configparser
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pulseq.suites.documents import shorten
from pulseq.suites.found_project import FoundProject
from pulseq.suites.starter import Entry, Line

_ENVIRONMENTS = (".venv", "venv", "env")
_USUAL_NAMES = ("test_*.py", "*_test.py")
_USUAL_FOLDERS = ("tests", "test")

#: Options of pytest's, as they stand in its configuration.
Options = Mapping[str, Any]


def find_pytest(project: FoundProject) -> Iterator[Entry]:
    """The entry for pytest's tests, if there are any."""
    where, options = read_options(project)
    patterns = _words(options.get("python_files")) or list(_USUAL_NAMES)
    found = next((file for file in project.own_files() if any(fnmatch(file.name, one) for one in patterns)), None)
    if where is None and found is None:
        return
    targets, why = _choose_targets(project, where, options, found)
    reason = f"{where} configures pytest." if where else f"{found} is named as pytest names tests."
    lines = [Line("pytest", targets[0] if len(targets) == 1 else targets, why), *_choose_python(project)]
    yield Entry(
        "pytest",
        f"{reason} Each of its items becomes a test of its own.",
        lines,
        missing="" if found else f"no file is named {' or '.join(map(shorten, patterns))}.",
    )


def read_options(project: FoundProject) -> tuple[str | None, Options]:
    """The file that pytest would take its configuration from, in pytest's order, and its options there."""
    for name, read in _FILES.items():
        if project.has(name) and (options := read(project.read(name))) is not None:
            return name, options
    return None, {}


def _read_ini(section: str, *, always: bool = False) -> Callable[[str], Options | None]:
    def read(text: str) -> Options | None:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            return {} if always else None
        if parser.has_section(section):
            return dict(parser[section])
        return {} if always else None

    return read


def _read_pyproject(text: str) -> Options | None:
    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError:
        return None
    table = tool.get("pytest") if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        return None
    options = table.get("ini_options", table)
    return options if isinstance(options, dict) else None


def _read_toml(text: str) -> Options | None:
    try:
        table = tomllib.loads(text).get("pytest", {})
    except tomllib.TOMLDecodeError:
        return {}
    return table if isinstance(table, dict) else {}


_FILES: Mapping[str, Callable[[str], Options | None]] = {
    **dict.fromkeys(("pytest.toml", ".pytest.toml"), _read_toml),
    **dict.fromkeys(("pytest.ini", ".pytest.ini"), _read_ini("pytest", always=True)),
    "pyproject.toml": _read_pyproject,
    "tox.ini": _read_ini("pytest"),
    "setup.cfg": _read_ini("tool:pytest"),
}


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
