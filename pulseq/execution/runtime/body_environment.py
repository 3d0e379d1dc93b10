"""What a body sees of the world: its environment variables, and a private directory that is removed after it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from typing import Any, Dict, Mapping, Optional, Tuple

from .metric import LONGEST_FILE, VARIABLE

#: Variables of a pytest session's guardian: a directory of its own, which lies where nodes find its socket, and the
#: directory for temporary files of whoever had it started.
SESSION_PRIVATE = "_PULSEQ_SESSION_DIRECTORY"
SESSION_TEMPORARY = "_PULSEQ_TEMPORARY_DIRECTORY"

#: The variable of the directory for files that are to come home, and what it is called where it was handed over.
ARTIFACTS_VARIABLE = "PULSEQ_ARTIFACTS"
OWN_ARTIFACTS = "own"

#: The nanosecond of 1970 that a directory has as its time which nothing has been put into. The next file sets another;
#: to look at that is cheaper, item after item, than to look for files.
_UNTOUCHED = 123_456_789

#: One string of an environment may not be longer than 128 kB on Linux; ids are cut well before.
_LONGEST_ID = 16 * 1024


class PrivateDirectory:
    """A directory of one attempt: the body's TMPDIR and, beside it, the file of its metrics and its artifacts."""

    def __init__(self, parent: str) -> None:
        os.makedirs(parent, mode=0o700, exist_ok=True)
        self._stand_at(tempfile.mkdtemp(prefix="attempt-", dir=parent))
        os.mkdir(self.temporary, 0o700)
        self._make_artifacts()

    @classmethod
    def at(cls, path: str) -> "PrivateDirectory":
        """One that another process has made."""
        directory = cls.__new__(cls)
        directory._stand_at(path)
        return directory

    def _stand_at(self, path: str) -> None:
        self.path = path
        self.temporary = os.path.join(path, "tmp")
        self.artifacts = os.path.join(path, "artifacts")
        self.metrics = os.path.join(path, "metrics.jsonl")

    def read_metrics(self) -> bytes:
        """What the body appended to its metrics file, one byte more than is allowed at most."""
        # A body may have left anything in its place: a pipe must not block, a link leads nowhere, a directory is none.
        try:
            with open(self.metrics, "rb", opener=_open_at_once) as file:
                return file.read(LONGEST_FILE + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
        except OSError:
            return b""

    def hand_over(self) -> Optional[str]:
        """Move what a body left as artifacts beside this directory, and make room for those of the next.

        Returns:
            the directory that has them now, under the name `own`; None where there are none.

        Raises:
            OSError: they cannot be had; what was there is gone.
        """
        try:
            if _is_untouched(self.artifacts):
                return None
            if not os.listdir(self.artifacts):
                os.utime(self.artifacts, ns=(_UNTOUCHED, _UNTOUCHED))
                return None
            place = make_place(os.path.dirname(self.path))
            os.rename(self.artifacts, os.path.join(place, OWN_ARTIFACTS))
            self._make_artifacts()
            return place
        except FileNotFoundError:
            self.renew_artifacts()
            return None
        except OSError:
            self.renew_artifacts()
            raise

    def renew_artifacts(self) -> None:
        """Have the directory for artifacts empty, whatever a body made of it."""
        remove_tree(self.artifacts)
        self._make_artifacts()

    def _make_artifacts(self) -> None:
        os.mkdir(self.artifacts, 0o700)
        os.utime(self.artifacts, ns=(_UNTOUCHED, _UNTOUCHED))

    def is_as_new(self) -> bool:
        """Whether it holds nothing, and is as it was made: another body can have it."""
        try:
            modes = [stat.S_IMODE(os.lstat(path).st_mode) for path in (self.path, self.temporary, self.artifacts)]
            is_empty = not os.listdir(self.temporary) and _is_untouched(self.artifacts)
            return modes == [0o700] * 3 and len(os.listdir(self.path)) == 2 and is_empty
        except OSError:
            return False

    def remove(self) -> bool:
        """Remove it with all it holds, directories without permissions too; True when it is gone."""
        remove_tree(self.path)
        return not os.path.lexists(self.path)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_untouched(directory: str) -> bool:
    return os.lstat(directory).st_mtime_ns == _UNTOUCHED


def make_place(parent: str) -> str:
    """A new directory for the artifacts of one attempt, among those for attempts."""
    return tempfile.mkdtemp(prefix="left-", dir=parent)


def remove_tree(path: str) -> None:
    """Remove a directory with all it holds, directories without permissions too, as far as that can be.

    What a body has put in its place goes as well: a link, and not what it leads to.
    """
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
        return
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _open_directories(path)
        shutil.rmtree(path, ignore_errors=True)


def _open_directories(path: str) -> None:
    os.chmod(path, 0o700)
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
    environment[ARTIFACTS_VARIABLE] = private.artifacts
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    if order["python_folder"] not in folders:
        environment["PATH"] = os.pathsep.join([*folders, order["python_folder"]])
    return environment


def clean_text(text: str) -> str:
    """Text as the system takes it: without NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _clean_variable(item: Tuple[str, str]) -> Tuple[str, str]:
    return clean_text(item[0]).replace("=", "_"), clean_text(item[1])
