"""Wheels of all that PulseQ stands on, made of what is installed here: a test needs no index for them."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import zipfile
from email.parser import Parser
from pathlib import Path

from pulseq.cluster.own_release import find_versions


def fill_wheelhouse(directory: Path) -> Path:
    """One wheel for each distribution that PulseQ needs, with the tags that its own had."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in find_versions("pulseq"):
        _pack(importlib.metadata.distribution(name), directory)
    return directory


def _pack(told: importlib.metadata.Distribution, directory: Path) -> None:
    wheel = Parser().parsestr(told.read_text("WHEEL") or "")
    tags = [tag.split("-") for tag in wheel.get_all("Tag") or []]
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*tags, strict=True))
    stem = f"{told.metadata['Name'].replace('-', '_').replace('.', '_')}-{told.version}"
    files = [
        path
        for path in told.files or ()
        if ".." not in path.parts
        and "__pycache__" not in path.parts
        and path.name not in ("RECORD", "INSTALLER", "REQUESTED")
    ]
    place = next(path.parent for path in files if path.name == "METADATA")
    lines = []
    with zipfile.ZipFile(directory / f"{stem}-{tag}.whl", "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            content = Path(str(told.locate_file(path))).read_bytes()
            archive.writestr(path.as_posix(), content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f'"{path.as_posix()}",sha256={digest},{len(content)}')
        record = (place / "RECORD").as_posix()
        archive.writestr(record, "\n".join([*lines, f"{record},,", ""]))
