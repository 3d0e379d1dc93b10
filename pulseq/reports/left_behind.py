"""What tests left behind, as reports tell it: names, sizes, and where it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pulseq.artifacts import Artifact, say_size
from pulseq.events import ArtifactsKept
from pulseq.safe_text import safe_line

_FOLDERS_OF_TEST = 2
_NAME_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class ArtifactPlace:
    """Where the artifacts of a run are, seen from a report.

    Attributes:
        run_directory: the paths of artifacts begin there.
        beside: the directory that the report is in.
    """

    run_directory: Path
    beside: Path

    def path_of(self, artifact: Artifact) -> Path | None:
        """Where a file is; None where it did not come home."""
        return None if artifact.path is None else self.run_directory / artifact.path

    def shown_path(self, artifact: Artifact) -> str:
        """Its path as whoever reads the report has it: relative where it is below; empty where it did not come."""
        path = self.path_of(artifact)
        if path is None:
            return ""
        absolute, beside = path.absolute(), self.beside.absolute()
        return str(absolute.relative_to(beside) if absolute.is_relative_to(beside) else absolute)

    def link(self, artifact: Artifact) -> str | None:
        """Its address, relative to the report."""
        path = self.path_of(artifact)
        return None if path is None else f"./{quote(os.path.relpath(path.absolute(), self.beside.absolute()))}"


def in_order(kept: Iterable[ArtifactsKept]) -> list[tuple[int, Artifact]]:
    """The files of the attempts of a test, each with the number of its attempt."""
    ordered = sorted(kept, key=lambda one: one.attempt)
    return [(one.attempt, file) for one in ordered for file in one.files]


def say_left(kept: Iterable[ArtifactsKept], most: int) -> str:
    """`artifacts/cart/1: shot.png (12 kB), trace.zip (1.2 MB)`; empty where nothing came home."""
    files = [file for _, file in in_order(kept) if file.path is not None]
    if not files:
        return ""
    folder = _common_folder(files)
    told = [f"{safe_line(_below(folder, file), _NAME_CHARACTERS)} ({say_size(file.bytes)})" for file in files[:most]]
    more = [f"{len(files) - most} more"] if len(files) > most else []
    return f"{safe_line(folder)}: {', '.join([*told, *more])}"


def say_attachments(kept: Iterable[ArtifactsKept], place: ArtifactPlace | None) -> Iterator[str]:
    """The lines by which CI servers know files of a test in its output; one that its path would break has none."""
    for _, file in in_order(kept):
        path = place.shown_path(file) if place is not None else ""
        if path and "]]" not in path:
            yield f"[[ATTACHMENT|{path}]]"


def _common_folder(files: Sequence[Artifact]) -> str:
    """The directory of the attempt, or of the test where several have left something."""
    folders = {"/".join((file.path or "").split("/")[: _FOLDERS_OF_TEST + 1]) for file in files}
    return folders.pop() if len(folders) == 1 else "/".join((files[0].path or "").split("/")[:_FOLDERS_OF_TEST])


def _below(folder: str, file: Artifact) -> str:
    return (file.path or "").removeprefix(f"{folder}/")
