"""Where artifacts lie once they are at home: `artifacts/<test>/<attempt>/<name>` in the directory of the run.

The tree is for people: what they look for has its name, and nothing else is there. What several attempts left alike is
written once; each further place of it is a hard link, or a copy where the disk has no links.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
from pathlib import Path
from typing import BinaryIO

from pulseq.artifacts import ARTIFACTS_FOLDER, SHA256_PATTERN, folder_of_test, safe_path
from pulseq.models import Key
from pulseq.ownership import FILE_MODE, make_own_directory, open_own

_COMING = ".coming"


class DamagedFileError(Exception):
    """What came is not what was told of."""


class ArtifactFolder:
    """The artifacts of one run.

    Args:
        run_directory: an existing one; paths are told below it.
    """

    def __init__(self, run_directory: Path) -> None:
        self._run_directory = run_directory
        #: Where each content lies, by its hash.
        self._places: dict[str, Path] = {}
        self._putting = threading.Lock()

    def has(self, sha256: str) -> bool:
        """Whether this content is at home, by whatever name."""
        return sha256 in self._places

    def receive(self, sha256: str) -> Incoming:
        """Begin to write a content.

        Raises:
            DamagedFileError: what it is called by is no hash.
            OSError: it cannot be written.
        """
        if re.match(SHA256_PATTERN, sha256) is None:  # a node says so, and files are called so
            raise DamagedFileError(f"told of by {sha256[:80]!r}, which is no SHA-256")
        folder = self._run_directory / ARTIFACTS_FOLDER / _COMING
        for one in (folder.parent, folder):
            make_own_directory(one)
        return Incoming(folder / sha256, sha256)

    def keep(self, incoming: Incoming) -> None:
        """Have a content that has come; `put` gives it its names."""
        self._places[incoming.sha256] = incoming.path

    def put(self, test: Key, attempt: int, name: str, sha256: str) -> str:
        """Give a content that is here a name; the path of that, below the directory of the run.

        Raises:
            OSError: it cannot be written.
        """
        relative = "/".join((ARTIFACTS_FOLDER, folder_of_test(*test), str(attempt), safe_path(name.split("/"))))
        with self._putting:  # several threads may give one content its names
            self._put(self._run_directory / relative, sha256)
        return relative

    def _put(self, target: Path, sha256: str) -> None:
        known = self._places[sha256]
        for folder in reversed(target.relative_to(self._run_directory).parents[:-1]):
            make_own_directory(self._run_directory / folder)
        if known.parent.name == _COMING:
            os.replace(known, target)
            self._places[sha256] = target
        elif known != target:
            target.unlink(missing_ok=True)
            try:
                os.link(known, target)
            except OSError:
                shutil.copyfile(known, target)
                target.chmod(FILE_MODE)

    def tidy(self) -> None:
        """Remove what was on its way."""
        shutil.rmtree(self._run_directory / ARTIFACTS_FOLDER / _COMING, ignore_errors=True)
        with contextlib.suppress(OSError):
            (self._run_directory / ARTIFACTS_FOLDER).rmdir()


class Incoming:
    """A content on its way to `path`."""

    def __init__(self, path: Path, sha256: str) -> None:
        self.path = path
        self.sha256 = sha256
        self._digest = hashlib.sha256()
        self._file: BinaryIO = open(open_own(path, os.O_WRONLY | os.O_TRUNC), "wb")  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Take the next part. Raises OSError where it cannot be written."""
        self._file.write(data)
        self._digest.update(data)

    def finish(self) -> None:
        """See whether it is what was told of.

        Raises:
            DamagedFileError: it is not.
            OSError: it cannot be written.
        """
        self._file.close()
        if self._digest.hexdigest() != self.sha256:
            raise DamagedFileError("changed after its test had ended")

    def abandon(self) -> None:
        """It does not come."""
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)
