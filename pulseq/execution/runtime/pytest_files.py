"""What a pytest session is going to import, as far as its options tell."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Any, Iterator

_VIRTUAL_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")


class FilesAhead:
    """The files that a session will probably import, in the order of their names, which is pytest's.

    One too many costs a moment; one that is missing is rewritten when it is imported.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._patterns = list(read_ini(session.config, "python_files") or ())
        self._left_out = list(read_ini(session.config, "norecursedirs") or ())

    def __iter__(self) -> Iterator[Path]:
        for path in sorted(getattr(self._session, "_initialpaths", ())):
            if path.is_dir():
                yield from self._below(str(path))
            elif path.suffix == ".py":
                yield Path(path)

    def _below(self, directory: str) -> Iterator[Path]:
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            if entry.is_dir():
                if self._is_entered(entry):
                    yield from self._below(entry.path)
            elif any(fnmatch.fnmatch(entry.name, pattern) for pattern in self._patterns):
                yield Path(entry.path)

    def _is_entered(self, entry: os.DirEntry[str]) -> bool:
        if entry.is_symlink() or entry.name == "__pycache__":
            return False
        if any(fnmatch.fnmatch(entry.name, pattern) for pattern in self._left_out):
            return False
        return not any(os.path.exists(os.path.join(entry.path, name)) for name in _VIRTUAL_ENVIRONMENT)


def read_ini(config: Any, name: str) -> Any:
    """What a suite's configuration says; None for what this pytest does not know."""
    try:
        return config.getini(name)
    except (KeyError, ValueError):
        return None
