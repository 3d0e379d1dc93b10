"""What pytest would read as its configuration in a directory, without any pytest there."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from pulseq.suites.found_project import FoundProject

#: Options of pytest's, as they stand in its configuration.
Options = Mapping[str, Any]


def read_options(project: FoundProject) -> tuple[str | None, Options]:
    """The file that pytest would take its configuration from, in pytest's order, and its options there."""
    for name, read in _FILES.items():
        if project.has(name) and (options := read(project.read(name))) is not None:
            return name, options
    return None, {}


def _find_section(text: str, section: str) -> Options | None:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return dict(parser[section]) if parser.has_section(section) else None


def _find_table(text: str, *path: str) -> Options | None:
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _read_pyproject(text: str) -> Options | None:
    table = _find_table(text, "tool", "pytest")
    return table if table is None or "ini_options" not in table else _find_table(text, "tool", "pytest", "ini_options")


_FILES: Mapping[str, Callable[[str], Options | None]] = {
    **dict.fromkeys(("pytest.toml", ".pytest.toml"), lambda text: _find_table(text, "pytest") or {}),
    **dict.fromkeys(("pytest.ini", ".pytest.ini"), lambda text: _find_section(text, "pytest") or {}),
    "pyproject.toml": _read_pyproject,
    "tox.ini": lambda text: _find_section(text, "pytest"),
    "setup.cfg": lambda text: _find_section(text, "tool:pytest"),
}
