"""What stands where a file is expected: to open a FIFO would wait for ever, and a directory holds no lines."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pulseq.errors import UsageError

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def expect_file(path: Path, thing: str, advice: str) -> None:
    """Refuse a path where something other than a file stands; that nothing stands there is for others to say.

    Args:
        thing: what it is to be, `the journal` for one.
        advice: what to do.

    Raises:
        UsageError: what was found, what was expected, and the advice.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except OSError:
        return
    if kind != stat.S_IFREG:
        found = _KINDS.get(kind, "no file")
        raise UsageError(f"{thing} {str(path)!r} is {found}, expected a file: {advice}")


@contextmanager
def reading(journal: Path) -> Iterator[None]:
    """Read a journal in this block.

    Raises:
        UsageError: it cannot be read, for one because it is not there.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(f"the journal {str(journal)!r} cannot be read: {error.strerror}") from error
