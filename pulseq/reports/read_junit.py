"""Reading the JUnit files of other tools: pytest, Gradle, Surefire, Jest, GoogleTest and their like.

A file is read as it comes, without a tree. One with a document type is refused,
for what its entities may do to the reader.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError, XMLParser

from pulseq.errors import UsageError
from pulseq.models import Status

_MAX_BYTES = 128 * 2**20
_CHUNK_BYTES = 2**16
_VERDICTS = {
    "failure": Status.FAILED,
    "error": Status.ERROR,
    "skipped": Status.SKIPPED,
    "disabled": Status.SKIPPED,
}
_NOT_RUN = frozenset({"notrun", "disabled", "skipped", "suppressed", "ignored"})


class JunitFileError(UsageError):
    """A JUnit file that cannot be read; the text names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class JunitCase:
    """One test case of a JUnit file; `time` is in seconds, `text` what the failure said at length."""

    classname: str
    name: str
    time: float
    status: Status
    message: str = ""
    text: str = ""
    output: str = ""


def read_junit(paths: Iterable[str | os.PathLike[str]], *, max_bytes: int = _MAX_BYTES) -> list[JunitCase]:
    """The test cases of JUnit files, in the order of the files and within them.

    Raises:
        JunitFileError: a file is missing, larger than `max_bytes`, not XML, has a
            document type, or is XML of another kind.
    """
    return [case for path in paths for case in _read_file(Path(path), max_bytes)]


def _read_file(path: Path, max_bytes: int) -> list[JunitCase]:
    target = _CaseBuilder(str(path))
    parser = XMLParser(target=target)
    size = 0
    if path.exists() and not path.is_file():
        raise JunitFileError(f"{path}: not a regular file; a JUnit file is expected")
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise JunitFileError(f"{path}: larger than {max_bytes} bytes; a JUnit file is expected")
                parser.feed(chunk)
        parser.close()
    except OSError as error:
        raise JunitFileError(f"{path}: {error.strerror or error}") from error
    except (ParseError, LookupError, ValueError) as error:
        raise JunitFileError(f"{path}: not readable as XML ({error}); a JUnit file is expected") from error
    return target.cases


@dataclass(slots=True)
class _Open:
    """A test case whose end has not come yet."""

    attributes: dict[str, str]
    classname: str
    status: Status
    message: str = ""
    text: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)


class _CaseBuilder:
    """Takes a parser's events and keeps what belongs to test cases."""

    def __init__(self, path: str) -> None:
        self.cases: list[JunitCase] = []
        self._path = path
        self._suites: list[str] = []
        self._depth = 0
        self._case: _Open | None = None
        self._into: list[str] | None = None
        self._inside = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise JunitFileError(f"{self._path}: has a document type ({name!r}); a JUnit file without one is expected")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition("}")[2]
        self._depth += 1
        if self._depth == 1 and tag not in ("testsuites", "testsuite"):
            raise JunitFileError(f"{self._path}: its root is {tag!r}; 'testsuites' or 'testsuite' is expected")
        if self._case:
            self._inside += 1
            if self._inside == 1:
                self._start_child(self._case, tag, attributes)
        elif tag == "testsuite":
            self._suites.append(attributes.get("name", ""))
        elif tag == "testcase":
            self._case = self._start_case(attributes)

    def data(self, text: str) -> None:
        if self._into is not None:
            self._into.append(text)

    def end(self, tag: str) -> None:
        tag = tag.rpartition("}")[2]
        self._depth -= 1
        if self._case and self._inside:
            self._inside -= 1
            self._into = self._into if self._inside else None
        elif self._case:
            self._end_case(self._case)
        elif tag == "testsuite":
            self._suites.pop()

    def close(self) -> None:
        """The file's end; the cases are in `cases`."""

    def _start_case(self, attributes: dict[str, str]) -> _Open:
        suite = next((name for name in reversed(self._suites) if name), "")
        classname = attributes.get("classname", suite)
        left_out = _NOT_RUN & {attributes.get("status", "").lower(), attributes.get("result", "").lower()}
        return _Open(attributes, classname, Status.SKIPPED if left_out else Status.PASSED)

    def _start_child(self, case: _Open, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("system-out", "system-err"):
            self._into = case.output
        elif status := _VERDICTS.get(tag):
            rank = {Status.ERROR: 2, Status.FAILED: 1}
            if rank.get(status, 0) > rank.get(case.status, 0):
                case.message = ""
            if rank.get(status, 0) >= rank.get(case.status, 0):
                case.status = status
            case.message = case.message or attributes.get("message", "") or attributes.get("type", "")
            self._into = case.text

    def _end_case(self, case: _Open) -> None:
        name = case.attributes.get("name", "")
        seconds = _seconds(case.attributes.get("time", ""))
        text, output = "".join(case.text).strip(), "".join(case.output).strip()
        self.cases.append(JunitCase(case.classname, name, seconds, case.status, case.message, text, output))
        self._case = None


def _seconds(text: str) -> float:
    """Seconds as tools write them: `0.12`, `1,234.5`, or nothing."""
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
