"""A project as it travels: what is in it, and what of it a host lacks."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class ProjectFile(Struct, frozen=True, array_like=True):
    """A file of a project; its path is relative to the root, with `/` between its parts."""

    path: str
    digest: bytes
    size: int
    mode: int
    mtime_ns: int


class Manifest(Struct, frozen=True):
    """All that a workspace is made of.

    Attributes:
        root: where the project is on the driver's machine: absolute, as its tests name it.
        links: symbolic links: paths, and what they point to, which lies in the project.
        directories: those that are empty.
    """

    root: str
    files: tuple[ProjectFile, ...]
    links: tuple[tuple[str, str], ...] = ()
    directories: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class BlobPart(Struct, frozen=True, array_like=True):
    """What some bytes of a message are: those of a blob, from `offset` on, of the `size` that it has in all."""

    digest: bytes
    length: int
    offset: int
    size: int


class Workspace(Struct, frozen=True):
    """Where a run's tree of a project is.

    Attributes:
        root: of the project on the driver's machine; `aliases` are other paths to the same directory.
        place: the tree on the host.
    """

    root: str
    place: str
    aliases: tuple[str, ...] = ()


class PrepareOrder(Struct, frozen=True):
    """What makes a project ready on a host: run in its root, with these variables besides those of the host.

    `key` is another one whenever the command, or a file that it depends on, is another one.
    """

    command: tuple[str, ...]
    outputs: tuple[str, ...]
    timeout_seconds: float
    key: bytes
    env: Mapping[str, str] = field(default_factory=dict)


class Lacking(Struct, frozen=True):
    """What a host has to say about a project: the digests of blobs that it lacks, or why it cannot take it."""

    digests: tuple[bytes, ...] = ()
    trouble: str | None = None


class Done(Struct, frozen=True):
    """That what was asked for is done; or why not.

    Attributes:
        place: the workspace, where one was made.
        again: whether it would help to offer the project once more: blobs are gone, or were damaged.
        output: the end of what made the project ready wrote, where that has failed; None where it is not to blame.
    """

    trouble: str | None = None
    place: str = ""
    again: bool = False
    output: str | None = None
