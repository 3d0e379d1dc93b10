"""What a host is asked to do to a project before its first test."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from pulseq.errors import UsageError
from pulseq.project import PrepareSpec
from pulseq.projects.path_globs import PathGlobs
from pulseq.protocol.project_files import Manifest, PrepareOrder


def make_order(spec: PrepareSpec, manifest: Manifest) -> PrepareOrder:
    """The order to make a project ready, with a key that changes with what its outputs depend on.

    Raises:
        UsageError: an input is no file of the project, or an output is no path in it.
    """
    refuse_unusable(spec, [file.path for file in manifest.files], manifest.root)
    hashed = hashlib.sha256(repr((spec.command, spec.outputs)).encode("utf-8", "surrogateescape"))
    for pattern in spec.inputs:
        globs = PathGlobs([pattern])
        for file in manifest.files:
            if globs.match(file.path):
                hashed.update(os.fsencode(file.path) + b"\0" + file.digest)
    return PrepareOrder(spec.command, spec.outputs, spec.timeout_seconds, hashed.digest())


def refuse_unusable(spec: PrepareSpec, files: Sequence[str], root: str) -> None:
    """Refuse what cannot be done to a project of these files.

    Raises:
        UsageError: as `make_order`.
    """
    for output in spec.outputs:
        if os.path.isabs(output) or os.pardir in output.split(os.sep):
            raise UsageError(
                f"prepare: outputs: found {output!r}, expected a path in the project, relative to its root"
            )
    for pattern in spec.inputs:
        if not any(map(PathGlobs([pattern]).match, files)):
            raise UsageError(
                f"prepare: inputs: found no file {pattern!r} among those that are sent of {root!r}, "
                "expected a file that its outputs depend on"
            )
