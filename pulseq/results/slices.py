"""A stretch of a journal as whole, checked lines, sorted by kind and not yet understood.

To take a million results in, lines are not decoded in Python: it checks that each is what was written, and
DuckDB reads them (`bulk`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

#: The events that every test has; DuckDB reads these.
TEST_KINDS = (b"test_planned", b"attempt_started", b"attempt_finished", b"test_closed")
_RUN_ENDS = b'"kind":"run_finished"'
_KIND, _DATA = b'"kind":"', b'","data":'
_CHECKSUM = b',"crc":"%08x"}'
_CHECKSUM_LENGTH = len(_CHECKSUM % 0)
#: Read at once: lines that the processor has near are checked and sorted in two thirds of the time.
_BLOCK_BYTES = 256 << 10


@dataclass(slots=True)
class Slice:
    """Lines of a journal without their line breaks.

    Attributes:
        start, end: the bytes of the journal that they are.
        tests: lines of `TEST_KINDS`, each kind in the order of the journal.
        others: all other lines, in the order of the journal.
        damaged: lines that were left out as torn or turned.
    """

    start: int
    end: int
    tests: dict[bytes, list[bytes]] = field(default_factory=lambda: {kind: [] for kind in TEST_KINDS})
    others: list[bytes] = field(default_factory=list)
    damaged: int = 0


def read_slice(path: Path, start: int, size: int) -> Slice:
    """The lines from byte `start` on that fit into `size` bytes, at least one, at most to the end of a run.

    A last line without its end is left alone, as its writer may be at it, unless nothing but the break is missing.
    """
    found, rest = Slice(start, start), b""
    with path.open("rb") as stream:
        stream.seek(start)
        while left := size - (found.end - start) - len(rest):
            block = stream.read(min(left, _BLOCK_BYTES))
            if not block:
                return _with_tail(found, rest)
            lines, rest, ended = _split(rest + block)
            _take(found, lines)
            if ended:
                return found
        if found.end > start:
            return found
        line = rest + stream.readline()
    if not line.endswith(b"\n"):
        return _with_tail(found, line)
    _take(found, [line[:-1]])
    return found


def _split(block: bytes) -> tuple[list[bytes], bytes, bool]:
    """Whole lines up to the first that ends a run, the start of the next, and whether one did.

    What only looks like the end of a run makes a slice shorter, not wrong.
    """
    at = block.find(_RUN_ENDS)
    end = block.find(b"\n", at) + 1 if at >= 0 else 0
    lines = (block[:end] if end else block).split(b"\n")
    return lines, lines.pop(), end > 0


def _with_tail(found: Slice, tail: bytes) -> Slice:
    if tail[-_CHECKSUM_LENGTH:] == _CHECKSUM % crc32(tail[:-_CHECKSUM_LENGTH]):
        _sort_in(found, [tail])
        found.end += len(tail)
    return found


def _take(found: Slice, lines: list[bytes]) -> None:
    sound = [line for line in lines if line[-_CHECKSUM_LENGTH:] == _CHECKSUM % crc32(line[:-_CHECKSUM_LENGTH])]
    if len(sound) < len(lines):
        found.damaged += sum(bool(line.strip()) for line in lines) - len(sound)
    _sort_in(found, sound)
    found.end += sum(map(len, lines)) + len(lines)


def _sort_in(found: Slice, lines: list[bytes]) -> None:
    lines_of, others = found.tests.get, found.others
    for line in lines:
        head = line.partition(_DATA)[0]
        lines_of(head[head.rfind(_KIND) + len(_KIND) :], others).append(line)
