"""Reading the JUnit files of other tools: pytest, Gradle, Surefire, Jest, GoogleTest and their like.

A file is read as it comes, without a tree. One with a document type is refused,
for what its entities may do to the reader.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import ParseError, XMLParser

from pulseq.node.junit_builder import CaseBuilder, JunitCase, NoJunitFileError
from pulseq.node.junit_text import XmlText

_MAX_BYTES = 128 * 2**20
_CHUNK_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class JunitFile:
    """What a JUnit file holds.

    Attributes:
        cases: as far as they could be read, in their order.
        trouble: what is wrong with the file, with its name, readable by a person; None where nothing is.
    """

    cases: tuple[JunitCase, ...]
    trouble: str | None = None


def read_junit(path: str | os.PathLike[str], *, max_bytes: int = _MAX_BYTES, shown: str | None = None) -> JunitFile:
    """The test cases of a JUnit file.

    One that is missing, larger than `max_bytes`, no XML, has a document type, or is XML of another kind is in
    trouble: it has the cases before the place where reading ended. So is one with characters that XML forbids, of
    which all cases are read.

    Args:
        shown: what the file is called in `trouble`; its path by default.
    """
    name = shown or str(path)
    builder, text = CaseBuilder(name), XmlText()
    trouble: str | None = None
    try:
        _parse(Path(path), builder, text, max_bytes, name)
    except NoJunitFileError as error:
        trouble = str(error)
    except OSError as error:
        trouble = f"{name}: {error.strerror or error}; a JUnit file is expected"
    except (ParseError, ValueError) as error:
        trouble = f"{name}: not readable as XML ({_why(error, text, builder)}); a JUnit file is expected"
    cases = tuple(builder.cases())
    if trouble is None and text.trouble:
        trouble = f"{name}: {text.trouble}; well-formed XML is expected, so have the tool leave it out"
    if trouble and cases:
        trouble = f"{trouble}. What could be read of it counts: {len(cases)} case{'' if len(cases) == 1 else 's'}"
    return JunitFile(cases, trouble)


def _parse(path: Path, builder: CaseBuilder, text: XmlText, max_bytes: int, name: str) -> None:
    parser = XMLParser(target=builder)
    size = 0
    # A pipe is opened without waiting for its other end.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NoJunitFileError(f"{name}: not a regular file; a JUnit file is expected")
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise NoJunitFileError(f"{name}: larger than {max_bytes} bytes; a JUnit file is expected")
            parser.feed(text.feed(chunk))
        if size == 0:
            raise NoJunitFileError(f"{name}: is empty; a JUnit file is expected")
        parser.feed(text.feed(b"", last=True))
    parser.close()


def _why(error: ParseError | ValueError, text: XmlText, builder: CaseBuilder) -> str:
    told = [text.trouble] if text.trouble else []
    told.append(str(error))
    if builder.unfinished:
        told.append(f"within the case {builder.unfinished!r}")
    return ", ".join(told)
