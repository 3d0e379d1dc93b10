"""Copies of files that share nothing that one could write to: reflinks where the file system has them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

#: `ioctl` that makes a file a copy of another one on the same file system, without copying: `FICLONE`.
_FICLONE = 0x40049409
_COPY_BYTES = 2**26
#: The kernel takes 1,024.
_PARTS_AT_A_TIME = 512


def write_file(path: str | Path, *parts: bytes | memoryview, mode: int, mtime_ns: int | None = None) -> None:
    """Write a file that is not there yet, of one part after the other.

    Raises:
        OSError: it is there, or cannot be written.
    """
    descriptor = _create(path, mode)
    try:
        for at in range(0, len(parts), _PARTS_AT_A_TIME):
            some = parts[at : at + _PARTS_AT_A_TIME]
            written = os.writev(descriptor, some)
            if written < sum(map(len, some)):  # a signal, or a disk that is full, which the next one tells
                _write(descriptor, memoryview(b"".join(some))[written:])
        _set_time(descriptor, mtime_ns)
    finally:
        os.close(descriptor)


def _write(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]


def copy_large(source: str | Path, target: str | Path, *, mode: int, mtime_ns: int | None = None) -> None:
    """Make a copy of a file, within the kernel; blocks are shared where the file system can, and copied when written.

    Raises:
        OSError: it cannot be read, or the copy cannot be made.
    """
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writing = _create(target, mode)
        try:
            try:
                fcntl.ioctl(writing, _FICLONE, reading)
            except OSError:
                _copy(reading, writing)
            _set_time(writing, mtime_ns)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy(reading: int, writing: int) -> None:
    try:
        while os.copy_file_range(reading, writing, _COPY_BYTES):
            pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        while data := os.read(reading, 2**20):
            _write(writing, memoryview(data))


def _create(path: str | Path, mode: int) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    # Each change of an inode costs about as much as the file: only where the umask has taken something away.
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)
    return descriptor


def _set_time(descriptor: int, mtime_ns: int | None) -> None:
    if mtime_ns is not None:
        os.utime(descriptor, ns=(mtime_ns, mtime_ns))
