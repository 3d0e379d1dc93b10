"""What is one user's alone: made so whatever the umask, and refused where it is somebody else's.

What lies in a state directory is believed: a socket gets the caller's environment, a file names the server that
runs speak to. So nobody else may have put it there. Nothing is imported here that takes time.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
#: `struct ucred`: process, user, group.
_CREDENTIALS = struct.Struct("iII")


def make_own_directory(path: Path) -> None:
    """Make a directory for this user alone, and those above it that are missing; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    try:
        _make(path)
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_own_directory(path.parent)
        _make(path)  # if it is not found once more, the file system makes none there, as under automounted homes


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=DIRECTORY_MODE)
    except OSError as error:
        if isinstance(error, FileNotFoundError) or not path.is_dir():
            raise


def open_own(path: Path, flags: int = os.O_WRONLY | os.O_APPEND) -> int:
    """The descriptor of a file that is made for this user alone where there is none; no link is followed.

    Raises:
        OSError: it cannot be opened.
    """
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)


def write_own(path: Path, text: str) -> None:
    """Put a file of this user alone in its place at once, whatever was there: who reads it sees the old or the new.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with open(open_own(partial, os.O_WRONLY | os.O_EXCL), "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def close_to_others(directory: Path) -> None:
    """Take from all others what they may do in a directory of this user.

    Raises:
        OSError: that cannot be done.
    """
    mode = stat.S_IMODE(directory.stat().st_mode)
    if mode & 0o077:
        directory.chmod(mode & ~0o077)


def is_foreign(path: Path) -> bool:
    """Whether somebody else owns what is there, or the link that leads there; False where there is nothing."""
    for look in (os.lstat, os.stat):
        try:
            if look(path).st_uid != os.geteuid():
                return True
        except OSError:
            return False
    return False


def refuse_foreign(path: Path) -> None:
    """Refuse what somebody else owns.

    Raises:
        UsageError: names both users, and what to do.
    """
    if is_foreign(path):
        # Here alone: handing a run over, which asks for owners as well, is to load as little as can be.
        from pulseq.errors import UsageError

        owners = [look(path).st_uid for look in (os.lstat, os.stat)]
        owner = next(uid for uid in owners if uid != os.geteuid())
        raise UsageError(
            f"{str(path)!r} belongs to {_name(owner)}, and this is {_name(os.geteuid())}: whoever can write there "
            "could run code as you; set PULSEQ_HOME to a directory of your own"
        )


def default_home() -> Path:
    """Where state lives: `$PULSEQ_HOME`, else `.pulseq` in the working directory.

    Raises:
        UsageError: it is there, and somebody else's, or has something of somebody else in it.
    """
    home = Path(os.environ.get("PULSEQ_HOME") or ".pulseq").absolute()
    refuse_foreign_in(home)
    return home


def refuse_foreign_in(directory: Path) -> None:
    """Refuse a directory of somebody else, and one of one's own in which somebody else has put something.

    Raises:
        UsageError: names both users, and what to do.
    """
    refuse_foreign(directory)
    try:
        entries = list(directory.iterdir())
    except OSError:
        return  # it is not there, or whoever uses it is told why it cannot be
    for entry in entries:
        refuse_foreign(entry)


def is_own_peer(connection: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket is this user's: who listens there, or who has called."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return bool(user == os.geteuid())


def _name(uid: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name!r} (user {uid})"
    except KeyError:
        return f"user {uid}"
