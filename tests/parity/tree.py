"""The copy of a source tree that a run works on, and what the run left in it."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from tests.parity.outcome import neutral_name

#: Caches, which say nothing about a run; the examples that Hypothesis keeps are random.
_IGNORED = frozenset({"__pycache__", ".pytest_cache", ".pulseq", ".hypothesis"})


def copy_tree(source: Path | None, place: Path) -> None:
    """A fresh copy in place of what is there, without bytecode: each mode starts alike."""
    shutil.rmtree(place, ignore_errors=True)
    if source is None:
        place.mkdir(parents=True)
    else:
        shutil.copytree(source, place, symlinks=True, ignore=shutil.ignore_patterns(*_IGNORED))


def digest_files(tree: Path) -> dict[str, str]:
    """Each file's digest by its path relative to the tree."""
    digests = {}
    for directory, names, files in os.walk(tree):
        names[:] = [name for name in names if name not in _IGNORED]
        for path in (Path(directory, file) for file in files):
            # Sockets, pipes and links that lead nowhere are files too.
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "special"
            digests[str(path.relative_to(tree))] = digest
    return digests


def changed_files(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """The neutral names of files that are new, changed or gone."""
    new = [neutral_name(name) for name, digest in after.items() if before.get(name) != digest]
    gone = [f"{neutral_name(name)} (gone)" for name in before if name not in after]
    return tuple(sorted([*new, *gone]))
