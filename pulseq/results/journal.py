"""The journal of a run: the truth from which everything else can be rebuilt.

One append-only file per run. A result counts from the moment its line is on the disk;
a line that is torn or turned is skipped and counted, and never believed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from pulseq.errors import InfrastructureError, UsageError
from pulseq.events import Event
from pulseq.ownership import make_own_directory, open_own
from pulseq.results.codec import DamagedLine, JournalEntry, decode_line, encode_stamped, number
from pulseq.results.regular_file import expect_file

JOURNAL_NAME = "journal.jsonl"
#: Seconds within which events share a time: to write a moment as text takes a tenth of what a line does.
_SAME_MOMENT = 0.001
_LOCK_PATIENCE_SECONDS = 0.2
#: What is appended past this goes to the disk without being told to.
MOST_BUFFERED_BYTES = 8 * 1024 * 1024


def journal_path(home: Path, run_id: str) -> Path:
    """Where the journal of a run stands in a state directory."""
    return home / "runs" / run_id / JOURNAL_NAME


def journals_in(home: Path) -> list[Path]:
    """The journals of all runs in a state directory, by the names of their directories."""
    return sorted(path for path in home.glob(f"runs/*/{JOURNAL_NAME}") if path.is_file())


class JournalWriter:
    """Appends events to the journal of a run; the directory is made when it is missing.

    An existing journal is continued: its numbering goes on, nothing of it is cut, and a torn last
    line is closed with a line break, so that what follows stands on lines of its own.
    Threads may share a writer: one appends while another commits.

    Args:
        new: refuse a journal that holds something.

    Raises:
        UsageError: the directory or file cannot be written, or another process writes this journal.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, new: bool = False) -> None:
        self.path = path
        self._clock = clock
        self._moment, self._stamp = 0.0, b"0.0"
        self._buffer: list[bytes] = []
        #: Bytes since the last commit began: one that the disk did not take is not tried again at each line.
        self._buffered = 0
        self._buffer_lock = threading.Lock()
        self._disk_lock = threading.Lock()
        self._descriptor = _open_exclusively(path)
        #: Whether there may be something behind the end that a write left half done.
        self._soiled = False
        if new and path.stat().st_size:
            os.close(self._descriptor)
            raise UsageError(f"the journal {str(path)!r} is that of another run: choose another run id")
        self._end, self._seq = _end_of(path)
        if self._end and not _ends_a_line(self._descriptor, self._end):
            self._buffer.append(b"\n")

    def append(self, event: Event) -> int:
        """Put an event behind the others and return its number; `commit` brings it to the disk.

        So does this where a great deal waits for it: what comes at once may be millions of events.

        Raises:
            ValueError: a number in the event is not finite.
        """
        with self._buffer_lock:
            line = encode_stamped(self._seq + 1, self._now(), event)
            self._seq += 1
            self._buffer.append(line)
            self._buffered += len(line)
            seq, is_much = self._seq, self._buffered >= MOST_BUFFERED_BYTES
        if is_much:
            with contextlib.suppress(InfrastructureError, OSError):  # the lines stay, and the next commit says it
                self.commit()
        return seq

    def commit(self) -> None:
        """Bring what was appended to the disk, all of it with one flush.

        Raises:
            InfrastructureError: the disk did not take it (full, for one). Earlier lines are intact.

        Whatever it ends with, lines that were not taken stay buffered for the next commit.
        """
        with self._disk_lock:
            with self._buffer_lock:
                lines, self._buffer = self._buffer, []
                self._buffered = 0
            if not lines:
                return
            try:
                self._write(b"".join(lines))
            except BaseException:
                with self._buffer_lock:
                    self._buffer = lines + self._buffer
                raise

    @property
    def size(self) -> int:
        """Bytes that are on the disk."""
        return self._end

    def check_place(self) -> None:
        """Look whether the journal still stands where it was opened.

        Raises:
            InfrastructureError: it was removed or moved away.
        """
        if self._descriptor < 0:
            return
        # Not by its inode's number: there are file systems that tell another one each time.
        if not os.path.lexists(self.path) or not os.fstat(self._descriptor).st_nlink:
            raise InfrastructureError(
                f"the journal {str(self.path)!r} was removed while the run went on, and its results with it: "
                "leave the state directory alone until a run has ended, and run it again"
            )

    def close(self) -> None:
        """Commit and let go of the file; closing twice does no harm."""
        if self._descriptor < 0:
            return
        try:
            self.commit()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _now(self) -> bytes:
        now = self._clock()
        if not 0.0 <= now - self._moment < _SAME_MOMENT:
            self._moment, self._stamp = now, number(now).encode()
        return self._stamp

    def _write(self, data: bytes) -> None:
        try:
            if self._soiled:
                os.ftruncate(self._descriptor, self._end)
            self._soiled = True
            _write_whole(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError as error:
            # Shrinking a file needs no space: what was half written goes, what was there before stays. Where even
            # that fails, it is done before the next write.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
                self._soiled = False
            raise InfrastructureError(
                f"the journal {str(self.path)!r} cannot be written: {error.strerror}; "
                "what stands in it is intact: free some space and run it again"
            ) from error
        self._soiled = False
        self._end += len(data)


class JournalReader(Iterator[JournalEntry]):
    """The believable entries of a journal from `offset` on, as far as it has been written.

    A last line without its end is left alone, as its writer may be at it.

    Attributes:
        offset: bytes read and done with; reading can go on from here later.
        damaged: how many lines were skipped so far.
    """

    def __init__(self, path: Path, *, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.damaged = 0
        self._entries = self._read()

    def __next__(self) -> JournalEntry:
        return next(self._entries)

    def _read(self) -> Iterator[JournalEntry]:
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            for line in stream:
                end = self.offset + len(line)
                entry = None
                try:
                    entry = decode_line(line, end)
                except DamagedLine:
                    if not line.endswith(b"\n"):
                        return
                    self.damaged += bool(line.strip())
                self.offset = end
                if entry is not None:
                    yield entry


def read_journal(path: Path, *, offset: int = 0) -> JournalReader:
    """Read a journal, also while a run writes it; the reader counts the damage it meets."""
    return JournalReader(path, offset=offset)


def _open_exclusively(path: Path) -> int:
    expect_file(path, "the journal", "move it out of the way")
    try:
        make_own_directory(path.parent)
        descriptor = open_own(path, os.O_RDWR | os.O_APPEND)
        _sync_directory(path.parent)
    except OSError as error:
        raise UsageError(
            f"the journal {str(path)!r} cannot be written: {error.strerror}; name a state directory "
            "that can be written with PULSEQ_HOME"
        ) from error
    if not _lock(descriptor):
        os.close(descriptor)
        raise UsageError(
            f"the journal {str(path)!r} is being written by another process: "
            "wait for that run to end, or choose another run id"
        )
    return descriptor


def _lock(descriptor: int) -> bool:
    """Take the lock of a journal, unless another writer has it; who only asks whether one has it lets go at once."""
    until = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.005)


def _sync_directory(directory: Path) -> None:
    """Make the name of a new file as durable as its content will be."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _end_of(path: Path) -> tuple[int, int]:
    """Bytes in a journal and the highest number in it."""
    last = max((entry.seq for entry in read_journal(path)), default=0)
    return path.stat().st_size, last


def _ends_a_line(descriptor: int, end: int) -> bool:
    return os.pread(descriptor, 1, end - 1) == b"\n"


def _write_whole(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
