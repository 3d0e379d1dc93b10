"""What a journal is known by: what its first line says, and not the name of the directory that it stands in.

A directory may be removed or renamed and its name used again, for another run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pulseq.events import RunStarted
from pulseq.results.codec import DamagedLine, decode_line
from pulseq.results.regular_file import expect_file, reading

#: Bytes of a first line that are looked at: of one that has no end that is enough to know it again.
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalMark:
    """One journal, told from all others.

    Attributes:
        run_id: the run that its first line names; the name of its directory where that line names none.
        first_line: a digest of that line.
    """

    run_id: str
    first_line: str


def read_mark(journal: Path) -> JournalMark | None:
    """What a journal is known by; None while it has no whole line.

    Raises:
        UsageError: there is no such journal, or it is no file.
    """
    expect_file(journal, "the journal", "move it out of the way")
    with reading(journal), journal.open("rb") as stream:
        line = stream.readline(_MOST_BYTES)
    run_id = _run_in(line)
    if run_id is None and not line.endswith(b"\n") and len(line) < _MOST_BYTES:
        return None
    digest = hashlib.sha256(line.removesuffix(b"\n")).hexdigest()[:32]
    return JournalMark(run_id or journal.parent.name, digest)


def _run_in(line: bytes) -> str | None:
    """The run that starts with a line, an empty text for a line that says something else; None for no whole line."""
    try:
        event = decode_line(line).event
    except DamagedLine:
        return None
    return event.run_id if isinstance(event, RunStarted) else ""
