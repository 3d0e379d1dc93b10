"""Bytes that are known by their hash, for both ends of a transfer: hashing files, making messages small."""

from __future__ import annotations

import hashlib
import os
import stat
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

#: What is read of a file at a time.
CHUNK_BYTES = 2**20
#: A file that is written to while it is read is read again so often, after such a pause.
READS = 5
PAUSE_SECONDS = 0.05
#: Compressed is what loses at least a fifth, as a sample of it says.
_SAMPLE_BYTES = 2**16
_WORTH = 0.8


class ChangingFileError(OSError):
    """A file was written to each time that it was read."""


class NoRegularFileError(OSError):
    """What is there is no regular file: a socket, a device, a pipe."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when it was looked at: what changes when somebody writes to it."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileState:
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, stat.S_IMODE(found.st_mode))


def digest_of(data: bytes | memoryview) -> bytes:
    """The hash by which these bytes are known."""
    return hashlib.sha256(data).digest()


def hash_file(path: str | Path) -> tuple[bytes, FileState]:
    """The digest of a file, and the state in which it has it.

    Raises:
        ChangingFileError: it was written to each time that it was read.
        NoRegularFileError: it is none.
        OSError: it cannot be read.
    """
    for turn in range(READS):
        if turn:
            time.sleep(PAUSE_SECONDS)
        descriptor = open_regular(path)
        try:
            before = FileState.of(os.fstat(descriptor))
            hashed, size = hashlib.sha256(), 0
            # Not after a file that grows as fast as it is read.
            while size <= before.size and (chunk := os.read(descriptor, CHUNK_BYTES)):
                hashed.update(chunk)
                size += len(chunk)
            if before == FileState.of(os.fstat(descriptor)) and size == before.size:
                return hashed.digest(), before
        finally:
            os.close(descriptor)
    raise ChangingFileError(f"it was written to each of the {READS} times that it was read")


def open_regular(path: str | Path) -> int:
    """A descriptor to read a regular file by; no link is followed, and a pipe is not waited for.

    Raises:
        NoRegularFileError: it is none.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoRegularFileError("it is no regular file")
    return descriptor


def shrink(data: bytes) -> tuple[bytes, bool]:
    """These bytes as they are to travel, and whether they are compressed: where a sample says that it pays."""
    middle = max(len(data) - _SAMPLE_BYTES, 0) // 2
    sample = data[middle : middle + _SAMPLE_BYTES]
    if len(zlib.compress(sample, 1)) > _WORTH * len(sample):
        return data, False
    return zlib.compress(data, 1), True


def grow(data: bytes | memoryview, size: int) -> bytes:
    """What `shrink` has compressed.

    Raises:
        ValueError: it is not `size` bytes, or no such data.
    """
    reading = zlib.decompressobj()
    try:
        whole = reading.decompress(data, size)
    except zlib.error as error:
        raise ValueError(f"what came cannot be decompressed: {error}") from error
    if len(whole) != size or reading.unconsumed_tail:
        raise ValueError(f"what came has not the {size} bytes that it should have")
    return whole
