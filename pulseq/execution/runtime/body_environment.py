"""What a body sees of the world: its environment variables, and a private directory that is removed after it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from typing import Any, Dict, Mapping, Tuple

from .metric import LONGEST_FILE, VARIABLE

#: Variables of a pytest session's guardian: a directory of its own, which lies where nodes find its socket, and the
#: directory for temporary files of whoever had it started.
SESSION_PRIVATE = "_PULSEQ_SESSION_DIRECTORY"
SESSION_TEMPORARY = "_PULSEQ_TEMPORARY_DIRECTORY"

#: One string of an environment may not be longer than 128 kB on Linux; ids are cut well before.
_LONGEST_ID = 16 * 1024


class PrivateDirectory:
    """A directory of one attempt: the body's TMPDIR and, beside it, the file of its metrics."""

    def __init__(self, parent: str) -> None:
        os.makedirs(parent, mode=0o700, exist_ok=True)
        self._stand_at(tempfile.mkdtemp(prefix="attempt-", dir=parent))
        os.mkdir(self.temporary, 0o700)

    @classmethod
    def at(cls, path: str) -> "PrivateDirectory":
        """One that another process has made."""
        directory = cls.__new__(cls)
        directory._stand_at(path)
        return directory

    def _stand_at(self, path: str) -> None:
        self.path = path
        self.temporary = os.path.join(path, "tmp")
        self.metrics = os.path.join(path, "metrics.jsonl")

    def read_metrics(self) -> bytes:
        """What the body appended to its metrics file, one byte more than is allowed at most."""
        # A body may have left anything in its place: a pipe must not block, a link leads nowhere.
        try:
            descriptor = os.open(self.metrics, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return b""
        with open(descriptor, "rb") as file:
            return file.read(LONGEST_FILE + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""

    def is_as_new(self) -> bool:
        """Whether it holds nothing, and is as it was made: another body can have it."""
        try:
            modes = [stat.S_IMODE(os.lstat(path).st_mode) for path in (self.path, self.temporary)]
            return modes == [0o700, 0o700] and os.listdir(self.path) == ["tmp"] and not os.listdir(self.temporary)
        except OSError:
            return False

    def remove(self) -> bool:
        """Remove it with all it holds, directories without permissions too; True when it is gone."""
        shutil.rmtree(self.path, ignore_errors=True)
        if os.path.lexists(self.path):
            _open_directories(self.path)
            shutil.rmtree(self.path, ignore_errors=True)
        return not os.path.lexists(self.path)


def _open_directories(path: str) -> None:
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)


def body_environment(order: Mapping[str, Any], private: PrivateDirectory, base: Mapping[str, str]) -> Dict[str, str]:
    """The variables of a body: the node's, then the test's, then ours.

    The directory of the node's Python is the last of PATH: a plain `python` is found
    also where the machine itself has none.
    """
    environment = dict(base)
    environment.update((name, value) for name, value in map(_clean_variable, order["env"].items()) if name)
    ours = {
        "PULSEQ_RUN_ID": order["run_id"],
        "PULSEQ_TEST_ID": order["test_id"],
        "PULSEQ_ATTEMPT": str(order["attempt"]),
        "PULSEQ_NODE_ID": order["node_id"],
    }
    environment.update((name, clean_text(value)[:_LONGEST_ID]) for name, value in ours.items())
    environment[VARIABLE] = private.metrics
    environment["TMPDIR"] = private.temporary
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    if order["python_folder"] not in folders:
        environment["PATH"] = os.pathsep.join([*folders, order["python_folder"]])
    return environment


def clean_text(text: str) -> str:
    """Text as the system takes it: without NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _clean_variable(item: Tuple[str, str]) -> Tuple[str, str]:
    return clean_text(item[0]).replace("=", "_"), clean_text(item[1])
