"""The marks of nodes on the disk: they outlive the scheduler that has them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
from distributed import Scheduler, SchedulerPlugin

from pulseq.cluster.marks import TROUBLE_KEY, decode_mark, decode_marks
from pulseq.ownership import write_own
from pulseq.protocol.entry_points import MARKED, MARKS_KEY, NODE_TOPIC

#: What cannot be believed is kept beside it.
DAMAGED = ".damaged"
_MOST_BYTES = 16 << 20


class MarkStore(SchedulerPlugin):
    """Gives a scheduler the marks that an earlier one had, and writes each new one down before it is acknowledged.

    Args:
        path: of the file, in a directory of this user alone.
    """

    name = "pulseq-mark-store"

    def __init__(self, scheduler: Scheduler, path: Path) -> None:
        self._scheduler = scheduler
        self._path = path

    def load(self) -> str | None:
        """Take over what the file says; what is wrong with it, after which there are no marks, or None."""
        try:
            told = _read(self._path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return self._begin_anew(str(error))
        marks = {node_id: msgspec.to_builtins(mark) for node_id, mark in decode_marks(told).items()}
        self._scheduler.set_metadata([MARKS_KEY], marks)
        return None

    def _begin_anew(self, why: str) -> str:
        aside = self._path.with_name(self._path.name + DAMAGED)
        try:
            os.replace(self._path, aside)
            kept = f"it is {aside.name} now"
        except OSError as error:
            kept = f"it stays where it is ({error.strerror})"
        return f"{self._path} is not believed ({why}): no node is marked any more; {kept}"

    def log_event(self, topic: str, msg: Any) -> None:
        """A mark was made, and is in the metadata."""
        if topic != NODE_TOPIC or msg.get("event") != MARKED:
            return
        marks = decode_marks(self._scheduler.get_metadata([MARKS_KEY], {}))
        trouble = None
        try:
            write_own(self._path, json.dumps({node_id: msgspec.to_builtins(mark) for node_id, mark in marks.items()}))
        except OSError as error:
            trouble = f"{self._path} cannot be written ({error.strerror or error})"
        self._scheduler.set_metadata([TROUBLE_KEY], trouble)


def _read(path: Path) -> object:
    """What the file says.

    Raises:
        OSError, ValueError: it cannot be read, or is not to be believed; the text says why.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no file")
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise ValueError("others than this user could have written it")
        told = json.loads(file.read(_MOST_BYTES))
    if not isinstance(told, dict) or not all(map(decode_mark, told.values())):
        raise ValueError("it holds something else than marks")
    return told
