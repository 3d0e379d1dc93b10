"""A directory that goes with its owner, also where the owner was killed: whoever lives holds the lock in it."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from pulseq.ownership import open_own


def remove_abandoned(lock_path: Path) -> None:
    """Remove a directory of this user with this lock in it, unless somebody holds that.

    Raises:
        OSError: somebody does, or it cannot be looked at.
    """
    if lock_path.parent.stat().st_uid != os.geteuid():
        return
    with open(open_own(lock_path), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock_path.parent, ignore_errors=True)
