"""Trees that runs have given up, kept for the next run of the same project: to look at one is quicker than to make one.

What a run has changed in its tree, or put into it, is not kept. A tree that somebody still has to do with is not kept
at all: who wrote to it would write to that of the next run.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from pulseq.node.tree_note import State, TreeNote, read_size
from pulseq.ownership import make_own_directory
from pulseq.processes.directory_users import has_users
from pulseq.protocol.project_files import Manifest

#: Kept so long after it was used last.
_KEPT_SECONDS = 14 * 86_400.0
_NOTE = ".note"


class KeptTrees:
    """Trees by the names of their places, and of each a note of what it was when it was made.

    Whoever calls has the place for himself, by whatever lock.

    Args:
        directory: on the file system of the places.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def note(self, place: Path, manifest: Manifest, known: Mapping[str, State]) -> None:
        """Note a tree that has just been made.

        Args:
            known: states of those files that were there before, as `fit` has told them.
        """
        with contextlib.suppress(OSError):  # without a note it is not kept, which only costs time
            make_own_directory(self._directory)
            TreeNote.take(place, manifest, known).write(self._note_of(place.parent))

    def keep(self, place: Path) -> bool:
        """Make a tree that was given up what it was when it was made, and keep it; False where that cannot be."""
        holder = place.parent
        note = TreeNote.read(self._note_of(holder))
        if note is None or has_users(holder):
            return False
        try:
            size = note.keep_unchanged(place).size
            if os.listdir(holder) != [place.name] or not replace(note, size=size).write(self._note_of(holder)):
                return False
            os.rename(holder, self._directory / holder.name)
        except OSError:
            return False
        return True

    def take(self, holder: Path) -> None:
        """Have the tree that is kept for a place there, if there is one.

        Raises:
            OSError: it cannot be put there.
        """
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._directory / holder.name, holder)

    def fit(self, place: Path, manifest: Manifest) -> Mapping[str, State]:
        """Remove from a tree that was kept what is not of this project; the files that are.

        Raises:
            OSError: it is no such tree, or what has to go cannot be removed.
        """
        if not os.listdir(place):
            return {}
        note = TreeNote.read(self._note_of(place.parent))
        if note is None:
            raise FileNotFoundError(f"what {str(place)!r} was is not known")
        return note.keep_unchanged(place, manifest).files

    def drop_note(self, holder: Path) -> None:
        """Forget what the tree of a place was, unless it is kept.

        Raises:
            OSError: the note cannot be removed.
        """
        if not (self._directory / holder.name).is_dir():
            self._note_of(holder).unlink(missing_ok=True)

    def sizes(self) -> Iterator[tuple[float, int, Path]]:
        """When each tree was used last, how many bytes it has, and where it is."""
        for path in self._directory.glob(f"*{_NOTE}"):
            if path.with_suffix("").is_dir():
                with contextlib.suppress(FileNotFoundError):
                    yield path.stat().st_mtime, read_size(path), path.with_suffix("")

    def old(self) -> Iterator[Path]:
        """Those that were not used for long."""
        return (path for used, _, path in self.sizes() if time.time() - used > _KEPT_SECONDS)

    def _note_of(self, holder: Path) -> Path:
        return self._directory / f"{holder.name}{_NOTE}"
