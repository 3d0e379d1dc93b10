"""What a node has on its machine, written down so that its next self finds what is left when this one is killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pulseq.ownership import write_own
from pulseq.processes.process_id import ProcessId

FILE_NAME = "node.json"
#: How long what is killed may take to be gone.
_END_SECONDS = 5.0


@dataclass(slots=True)
class Leftovers:
    """Processes, temporary directories and incarnations of one node, in a file of its own directory.

    Attributes:
        incarnations: the latest of its starts; a scheduler may still know one of them.
    """

    directory: Path
    processes: list[ProcessId] = field(default_factory=list)
    places: list[Path] = field(default_factory=list)
    incarnations: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path) -> Leftovers:
        """What the file in a directory says; nothing where there is none, or another one's."""
        found = cls(directory)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
            found.processes = [ProcessId(**one) for one in told["processes"]]
            found.places = [Path(place) for place in told["places"]]
            found.incarnations = [str(one) for one in told["incarnations"]]
        return found

    def note(self, *, process: int | None = None, place: Path | None = None, incarnation: str | None = None) -> None:
        """Write down one more, before anything is done with it; what is gone is forgotten.

        Raises:
            OSError: it cannot be written.
        """
        self.processes = [one for one in self.processes if one.alive]
        if process is not None and (started := ProcessId.of(process)) is not None:
            self.processes.append(started)
        self.places = [*(one for one in self.places if one.exists()), *([] if place is None else [place])]
        self.incarnations = [*self.incarnations, *([] if incarnation is None else [incarnation])][-8:]
        told = {
            "processes": [asdict(one) for one in self.processes],
            "places": [str(one) for one in self.places],
            "incarnations": self.incarnations,
        }
        write_own(self.directory / FILE_NAME, json.dumps(told))

    def sweep(self) -> tuple[int, int]:
        """End and remove all that is left; how many processes, and how many directories, there were."""
        processes = {*(one for one in self.processes if one.alive), *self._find_bodies()}
        for process in processes:
            process.signal(signal.SIGKILL)
        end = time.monotonic() + _END_SECONDS
        for process in processes:
            process.wait(max(0.0, end - time.monotonic()))
        places = [place for place in self.places if place.exists()]
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        self.processes, self.places = [], []
        return len(processes), len(places)

    def _find_bodies(self) -> Iterator[ProcessId]:
        """What was started with its temporary directory in one of ours, whose name nobody can guess."""
        if not self.places:
            return
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal() and (process := ProcessId.of(int(entry.name))) is not None:
                temporary = process.read_environment().get("TMPDIR")
                if temporary and any(Path(temporary).is_relative_to(place) for place in self.places):
                    yield process
