"""What `pulseq run` takes where no suite is named: the file of the working directory that `pulseq init` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.suites.reading import SUFFIXES

#: The suite file of a project, but for its suffix.
DEFAULT_STEM = "pulseq"
#: What the name of a suite's own nodes file has before its suffix: `shop.nodes.yaml` stands beside `shop.yaml`.
NODES_MARK = ".nodes"


def complete_arguments(arguments: Sequence[str], *, pyargs: bool = False) -> tuple[str, ...]:
    """The arguments; where there are none, the suite file of the working directory if it has one.

    Raises:
        UsageError: it has several; or an argument is empty, which pytest takes for the working directory.
    """
    if not all(arguments):
        what = "a suite file, a directory, a test file or a pytest node id"
        raise UsageError(f"found '' where a suite is named, expected {what}: what names it may be an empty variable")
    if arguments or pyargs:
        return tuple(arguments)
    there = default_files(Path())
    if len(there) > 1:
        names = " and ".join(map(repr, map(str, there)))
        raise UsageError(f"found {names}, expected one of them where no suite is named: name it, or move the other")
    return tuple(map(str, there))


def default_files(directory: Path) -> list[Path]:
    """The files in a directory that are its suite where none is named; more than one is a mistake."""
    return [file for suffix in SUFFIXES if (file := directory / f"{DEFAULT_STEM}{suffix}").is_file()]


def own_nodes_files(suite: Path) -> list[Path]:
    """Where a suite's nodes file may stand, the nearest first; none of them need be there."""
    beside = [suite.with_name(f"{suite.stem}{NODES_MARK}{suffix}") for suffix in SUFFIXES]
    folder = suite.parent
    around = folder.parent if folder.name not in ("", "..") else folder / ".."  # of `.`, that is `.` again
    return [*beside, *(around / "nodes" / f"{suite.stem}{suffix}" for suffix in SUFFIXES)]
