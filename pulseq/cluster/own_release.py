"""This release of PulseQ as another machine can install it: a wheel, and the versions of all that it stands on.

The wheel is made of the files that run here and of the metadata that they were installed with: without an index,
without a build, and of an editable installation as well.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pulseq
from pulseq.errors import InfrastructureError

_NAME = "pulseq"
#: The oldest that a ZIP file can tell: the same files make the same wheel, whenever that is.
_WHEN = (1980, 1, 1, 0, 0, 0)
_WHEEL = "Wheel-Version: 1.0\nGenerator: pulseq\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_METADATA_FILES = ("METADATA", "entry_points.txt")


@dataclass(frozen=True, slots=True)
class Release:
    """What is sent to a machine.

    Attributes:
        wheel_name: as pip wants it to be called.
        constraints: `NAME==VERSION`, one a line, of all that is installed here for it.
        digest: of all of it: what has the same is the same installation.
    """

    version: str
    wheel_name: str
    wheel: bytes
    constraints: str
    digest: str


def pack_release() -> Release:
    """This release.

    Raises:
        InfrastructureError: PulseQ runs here without having been installed.
    """
    try:
        told = importlib.metadata.distribution(_NAME)
    except importlib.metadata.PackageNotFoundError:
        raise InfrastructureError(
            "PulseQ is not installed here, only its files are found; install it (`pip install .`) to have hosts get it"
        ) from None
    wheel = _pack_wheel(told, Path(pulseq.__file__).parent)
    constraints = "".join(f"{name}=={version}\n" for name, version in sorted(find_versions(_NAME).items()))
    digest = hashlib.sha256(wheel + constraints.encode()).hexdigest()
    return Release(told.version, f"{_NAME}-{told.version}-py3-none-any.whl", wheel, constraints, digest)


def _pack_wheel(told: importlib.metadata.Distribution, package: Path) -> bytes:
    place = f"{_NAME}-{told.version}.dist-info"
    files = {
        path.relative_to(package.parent).as_posix(): path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files |= {f"{place}/{name}": text.encode() for name in _METADATA_FILES if (text := told.read_text(name))}
    files[f"{place}/WHEEL"] = _WHEEL.encode()
    files[f"{place}/RECORD"] = _record(files, f"{place}/RECORD").encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()


def _record(files: dict[str, bytes], own_name: str) -> str:
    def line(name: str, content: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(content)}\n"

    return "".join(line(name, content) for name, content in files.items()) + f"{own_name},,\n"


def find_versions(name: str) -> dict[str, str]:
    """The versions here of all that a distribution needs, and what those need; itself left out."""
    versions: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(name, "")]
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            told = importlib.metadata.distribution(wanted[0])
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system or Python: its marker says more than this one knows
        if wanted[0] != name:
            versions[canonicalize_name(wanted[0])] = told.version
        waiting += _needs(told, wanted[1])
    return versions


def _needs(told: importlib.metadata.Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """What is needed directly, with the extras that are asked of it; `extra` is the one that was asked of this."""
    for text in told.requires or ():
        requirement = Requirement(text)
        if _holds(requirement.marker, extra):
            yield from ((requirement.name, asked) for asked in ("", *sorted(requirement.extras)))


def _holds(marker: Marker | None, extra: str) -> bool:
    return marker is None or marker.evaluate({"extra": extra})
