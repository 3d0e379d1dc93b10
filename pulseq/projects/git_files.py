"""What git knows of a directory: its work tree, and the files that it tracks or does not ignore."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

#: How long git may take; an index of a million files takes it some seconds.
_SECONDS = 60.0
#: Set within git's hooks: they would have it look at another repository.
_OWN_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


def find_work_tree(directory: Path) -> Path | None:
    """The root of the git work tree that a directory is in, and that does not ignore it; None where there is none."""
    for place in (directory, *directory.parents):
        if (place / ".git").exists():
            ignored = place != directory and _ask(place, "check-ignore", "--quiet", str(directory)) is not None
            return None if ignored else place
    return None


def list_with_git(directory: Path) -> list[str] | None:
    """The files that git tracks or does not ignore, relative to a directory of a work tree, sorted.

    None where git is not there, or has nothing to say. A work tree in another one is listed as its own git has it.
    """
    told = _ask(directory, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    if told is None:
        return None
    files: list[str] = []
    for name in sorted(set(filter(None, os.fsdecode(told).split("\0")))):
        path = directory / name
        if path.is_dir() and not path.is_symlink():
            below = list_with_git(path) if (path / ".git").exists() else None
            files += [os.path.join(name.rstrip("/"), file) for file in below or ()]
        else:
            files.append(name)
    return files


def _ask(directory: Path, *arguments: str) -> bytes | None:
    """What git says; None where it fails, or is not there."""
    git = shutil.which("git")
    if git is None:
        return None
    environment = {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES}
    try:
        done = subprocess.run(
            [git, "-C", str(directory), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
