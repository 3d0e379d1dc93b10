"""Where processes of a machine keep the files that they have rewritten, and say which one is at which."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import types
import warnings
from pathlib import Path
from typing import Any

from .pytest_files import read_ini


class Store:
    """Rewritten files in a directory, and locks that say who is at work on which."""

    def __init__(self, rewrite: Any, config: Any, state: Any, directory: str) -> None:
        self._rewrite = rewrite
        self._read = rewrite._read_pyc
        self._config = config
        self._state = state
        self._directory = directory
        self._locks = self._open_locks()
        # pytest's own cache takes no notice of it, but here suites with different settings may meet.
        self._kind = str(read_ini(config, "enable_assertion_pass_hook"))

    def reopen(self) -> None:
        """In a fork: have locks of its own."""
        self._locks = self._open_locks()

    def close(self) -> None:
        os.close(self._locks)

    def find(self, source: Path) -> types.CodeType | None:
        """The code of a file that somebody has rewritten as it is now."""
        code: types.CodeType | None = self._read(source, self._place(source), _say_nothing)
        return code

    def seems_done(self, source: Path) -> bool:
        """Whether there is bytecode from after the last change of a file, here or in pytest's own place."""
        own = self._rewrite.get_cache_dir(source) / (source.name[: -len(".py")] + self._rewrite.PYC_TAIL)
        try:
            changed = source.stat().st_mtime_ns
        except OSError:
            return True
        return any(_changed_at(place) >= changed for place in (self._place(source), own))

    def claim(self, source: Path) -> bool:
        """Whether the file was nobody's; the claim of a process that dies ends with it."""
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._number(source))
        except OSError:
            return False
        return True

    def release(self, source: Path) -> None:
        fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, self._number(source))

    def rewrite(self, source: Path) -> None:
        """Rewrite a file and keep the result, unless it is one that pytest would say something of."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                origin, code = self._rewrite._rewrite_test(source, self._config)
            except Exception:  # noqa: BLE001 whatever is wrong with the file, its import is the one to tell
                return
        # That something elsewhere was not closed comes to light at any moment, and is none of the file's.
        if all(issubclass(warning.category, ResourceWarning) for warning in said):
            self._rewrite._write_pyc(self._state, code, origin, self._place(source))

    def copy(self, source: Path, pyc: Path) -> None:
        """Put what is kept where pytest itself keeps it, for the next session."""
        temporary = f"{pyc}.{os.getpid()}"
        with contextlib.suppress(OSError):
            shutil.copyfile(self._place(source), temporary)
            os.replace(temporary, pyc)

    def _open_locks(self) -> int:
        return os.open(os.path.join(self._directory, "locks"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _digest(self, source: Path) -> bytes:
        return hashlib.sha256(f"{self._kind}\0{source}".encode("utf-8", "surrogateescape")).digest()

    def _place(self, source: Path) -> Path:
        return Path(self._directory, self._digest(source).hex()[:40] + str(self._rewrite.PYC_TAIL))

    def _number(self, source: Path) -> int:
        return int.from_bytes(self._digest(source)[:7], "big")


def make_private(directory: str) -> None:
    """Make the directory where it is not there.

    Raises:
        OSError: it cannot be made, or others could put into it what is executed here.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "not a directory that is ours alone", directory)


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1


def _say_nothing(_message: str) -> None:
    return None
