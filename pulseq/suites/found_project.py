"""A directory as `pulseq init` looks at it: names and small files, read within bounds and never run."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pulseq.suites.documents import shorten

_LARGEST = 1024 * 1024
_MOST_LOOKED_AT = 20_000
#: Directories of things that a project has fetched or built; names with a dot in front are left out as well.
_NOT_ITS_OWN = {"node_modules", "venv", "env", "build", "dist", "target", "vendor", "__pycache__", "site-packages"}


#: Why what calls `pulseq run` gets no entry: it would begin itself, again and again.
CALLS_US = "it calls `pulseq run` itself."


def calls_us(text: str) -> bool:
    """Whether a recipe or script runs this very suite."""
    return re.search(r"\bpulseq(?:['\"]|\s)+run\b", text) is not None


@dataclass(frozen=True, slots=True)
class FoundProject:
    """What is in a directory, and which programs there are to run it.

    Attributes:
        root: the directory.
        find_program: the path of a program, or None; `shutil.which` but in tests.
        own_prefix: the environment that PulseQ itself runs in.
    """

    root: Path
    find_program: Callable[[str], str | None] = field(default=shutil.which)
    own_prefix: Path = field(default_factory=lambda: Path(sys.prefix))

    @property
    def name(self) -> str:
        """The directory's name, as the name of a suite."""
        return shorten(self.root.absolute().resolve().name) or "suite"

    def has(self, name: str) -> bool:
        """Whether there is a file of this name below the directory."""
        return (self.root / name).is_file()

    def first(self, *names: str) -> str | None:
        """The first of these files that is there."""
        return next((name for name in names if self.has(name)), None)

    def read(self, name: str) -> str:
        """The beginning of a file; empty where there is none, or it cannot be read."""
        try:
            with (self.root / name).open("rb") as file:
                return file.read(_LARGEST).decode("utf-8", "replace")
        except OSError:
            return ""

    def can_run(self, name: str) -> bool:
        """Whether a file below the directory is a program."""
        return self.has(name) and os.access(self.root / name, os.X_OK)

    def program(self, name: str) -> str | None:
        """That a program is not there, in words; None where it is."""
        return None if self.find_program(name) else f"there is no {name!r} on this machine's PATH"

    def own_files(self) -> Iterator[Path]:
        """Files of the project, relative to it and sorted within each directory; of very many the first."""
        seen = 0
        for folder, below, files in os.walk(self.root):
            below[:] = sorted(name for name in below if name not in _NOT_ITS_OWN and not name.startswith("."))
            for name in sorted(files):
                yield Path(folder, name).relative_to(self.root)
            seen += len(files) + len(below)
            if seen > _MOST_LOOKED_AT:
                return
