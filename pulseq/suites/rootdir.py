"""The directory that pytest's node ids begin at, found as pytest finds it, before any pytest is there to be asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pulseq.suites.found_project import FoundProject
from pulseq.suites.pytest_config import read_options


def find_rootdir(targets: Sequence[str], pytest_args: Sequence[str], cwd: Path) -> Path:
    """pytest's `rootdir` for these targets, absolute; a configuration that cannot be read counts as none.

    Args:
        targets: paths and node ids; what is no path is passed over.
        pytest_args: what pytest gets besides, of which `--rootdir` and `-c` tell it.
    """
    if named := _value_of(("--rootdir",), pytest_args):
        return _absolute(cwd, named)
    if named := _value_of(("-c", "--config-file"), pytest_args):
        return _absolute(cwd, named).parent
    directories = list(_directories(targets, cwd))
    ancestor = _common(directories) or cwd
    found = _configured([ancestor])
    if found is None:
        found = next((place for place in _upwards(ancestor) if (place / "setup.py").is_file()), None)
    if found is None and directories != [ancestor]:
        found = _configured(directories)
    if found is None:
        found = _common([cwd, ancestor]) or cwd
        found = ancestor if found == found.parent else found
    return found


def _value_of(names: Sequence[str], arguments: Sequence[str]) -> str | None:
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        name, _, value = argument.partition("=")
        if name in names and (value or following):
            return value or following
    return None


def _absolute(cwd: Path, name: str) -> Path:
    return Path(os.path.abspath(cwd / name))


def _directories(targets: Iterable[str], cwd: Path) -> Iterator[Path]:
    for target in targets:
        path = _absolute(cwd, target.partition("::")[0])
        if path.exists():
            yield path if path.is_dir() else path.parent


def _common(directories: Sequence[Path]) -> Path | None:
    return Path(os.path.commonpath(directories)) if directories else None


def _upwards(directory: Path) -> Iterator[Path]:
    yield directory
    yield from directory.parents


def _configured(directories: Iterable[Path]) -> Path | None:
    """The nearest directory with a configuration of pytest's; else the nearest with any pyproject.toml."""
    fallback = None
    for directory in directories:
        for place in _upwards(directory):
            if read_options(FoundProject(place))[0] is not None:
                return place
            if fallback is None and (place / "pyproject.toml").is_file():
                fallback = place
    return fallback
