"""From a path to a document: every way in which a file cannot even be opened has its sentence here."""

from __future__ import annotations

from pathlib import Path

from pulseq.errors import UsageError, nearest
from pulseq.suites.documents import Document, Flaw, describe
from pulseq.suites.toml_file import parse_toml
from pulseq.suites.yaml_file import parse_yaml

SUFFIXES = (".yaml", ".yml", ".toml")
#: Files by the key that each has: what it is called, and where it belongs.
_FILES = {
    "tests": ("a suite", "`pulseq run SUITE --nodes NODES` takes both"),
    "nodes": ("a nodes file", "`pulseq run SUITE --nodes NODES` takes both"),
    "deployments": ("a prefect.yaml", "`pulseq check --project` takes a prefect.yaml"),
}
_LARGEST = 16 * 1024 * 1024


def read_document(path: Path, needs: str) -> Document:
    """Read a YAML or TOML file whose top is a mapping.

    Args:
        needs: the key that it has in any case.

    Raises:
        UsageError: there is no such file, or it may not be read.
        ConfigurationError: what it holds is no YAML or TOML, or no mapping.
    """
    source = str(path)
    text = _decode(_read_bytes(path), source)
    document = parse_toml(text, source) if path.suffix.lower() == ".toml" else parse_yaml(text, source)
    expected = f"a mapping of keys to values, with the key {needs}"
    if document.value is None or (document.value == {} and not document.flaws):
        raise document.refuse([Flaw((), "an empty file", expected)])
    if not isinstance(document.value, dict):
        raise document.refuse([Flaw((), describe(document.value), expected)])
    if needs not in document.value and needs in _FILES:
        for key, (name, place) in _FILES.items():
            if key in document.value:
                raise document.refuse([Flaw((), name, f"{_FILES[needs][0]}, with the key {needs}; {place}")])
    return document


def describe_missing(path: Path) -> str:
    """That there is no such path, and which name beside it comes nearest."""
    return f"found no file or directory '{path}'{hint_at_similar(path)}"


def hint_at_similar(path: Path) -> str:
    """The end of a sentence about a path that is not there: which name beside it comes nearest, if one does."""
    try:
        names = [entry.name for entry in path.parent.iterdir()] if path.name else []
    except OSError:
        names = []
    meant = nearest(path.name, names)
    # Without their endings: `a.yaml` is no slip for `b.yaml`.
    if meant is None or nearest(path.stem, [Path(meant).stem]) is None:
        return ""
    return f"; did you mean '{path.parent / meant}'?"


def _read_bytes(path: Path) -> bytes:
    try:
        if not path.exists():
            raise UsageError(describe_missing(path))
        if not path.is_file():
            raise UsageError(
                f"found '{path}', which is no regular file, expected a file ending in {', '.join(SUFFIXES)}"
            )
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}") from error
    if len(content) > _LARGEST:
        raise UsageError(f"found '{path}' with more than 16 MB, expected at most that; split it and name all its parts")
    return content


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        flaw = Flaw((), f"the byte 0x{content[error.start]:02x}", "text in UTF-8", line=line)
        raise Document(source, None).refuse([flaw]) from None
