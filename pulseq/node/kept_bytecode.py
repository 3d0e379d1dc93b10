"""What Python has compiled of a project, kept for its next tree in the same place: to do it anew takes seconds.

Python holds it against size and time of each file, which are those that the project has.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

_CACHE = "__pycache__"
#: Kept so long after it was used last.
_KEPT_SECONDS = 14 * 86_400.0


class KeptBytecode:
    """The directories `__pycache__` of trees that were given up, by the names of their places."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, holder: Path) -> None:
        """Take them out of what is in a place."""
        kept = self._directory / holder.name
        with contextlib.suppress(OSError):  # it only saves time
            shutil.rmtree(kept, ignore_errors=True)
            for root, names, _ in os.walk(holder):
                if _CACHE in names:
                    target = kept / os.path.relpath(root, holder)
                    target.mkdir(mode=0o700, parents=True, exist_ok=True)
                    os.rename(os.path.join(root, _CACHE), target / _CACHE)
                # What makes a project ready keeps its own.
                names[:] = [name for name in names if name != _CACHE and not name.startswith(".")]

    def put_back(self, holder: Path) -> None:
        """Put them into the tree that is now in the same place, as far as it has their directories."""
        kept = self._directory / holder.name
        for root, names, _ in os.walk(kept):
            target = holder / os.path.relpath(root, kept)
            if _CACHE in names:
                names.remove(_CACHE)
                with contextlib.suppress(OSError):  # that directory is gone, or has one
                    os.rename(os.path.join(root, _CACHE), target / _CACHE)
        shutil.rmtree(kept, ignore_errors=True)

    def forget_old(self) -> None:
        """Remove what was not used for long."""
        for kept in self._directory.glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - kept.stat().st_mtime > _KEPT_SECONDS:
                    shutil.rmtree(kept, ignore_errors=True)
