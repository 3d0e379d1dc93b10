"""A suite from its YAML or TOML file, with all problems of the file told at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pulseq.errors import NothingToRunError
from pulseq.models import Suite, TestCase
from pulseq.suites.documents import Document, Flaw, describe, shorten
from pulseq.suites.one_test import DEFAULT_READERS, Ground, read_test
from pulseq.suites.readers import Reading, read_keys, read_text
from pulseq.suites.reading import read_document


def load_suite(path: Path) -> Suite:
    """The suite that a file describes.

    Raises:
        UsageError: the file cannot be read.
        ConfigurationError: it holds problems; all of them are in it.
        NothingToRunError: it has no tests.
    """
    document = read_document(path)
    top = read_keys(document.value, _TOP_READERS, required=["tests"], thing="a suite")
    defaults = _read_defaults(document)
    flaws = [*document.flaws, *top.flaws, *(flaw.below("defaults") for flaw in defaults.flaws)]
    entries = document.value.get("tests")
    if entries is not None and not isinstance(entries, list):
        flaws.append(Flaw(("tests",), describe(entries), "a list of tests"))
        entries = None
    ground = Ground(path.absolute().parent, defaults.values)
    tests: list[TestCase] = []
    for part in _read_tests(document, entries or [], ground):
        if isinstance(part, Flaw):
            flaws.append(part)
        else:
            tests.append(part)
    if flaws:
        raise document.refuse(flaws)
    if not tests:
        raise NothingToRunError(f"'{path}' has no tests: add one under its key tests")
    return Suite(top.values.get("suite", path.stem), tuple(tests), str(path), (str(path.absolute()),))


def _leave_for_later(value: Any) -> Any:
    return value


_TOP_READERS = {"suite": read_text, "defaults": _leave_for_later, "tests": _leave_for_later}


def _read_defaults(document: Document) -> Reading:
    value = document.value.get("defaults")
    if value is None:
        return Reading({}, ())
    return read_keys(value, DEFAULT_READERS, thing="defaults")


def _read_tests(document: Document, entries: list[Any], ground: Ground) -> Iterator[TestCase | Flaw]:
    """Each test, or what is wrong with it; an id that another test has is wrong as well."""
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        reading, body = read_test(entry)
        yield from (flaw.below("tests", index) for flaw in reading.flaws)
        test_id = reading.values.get("id")
        if test_id in first:
            place = document.find_line(("tests", first[test_id], "id"))
            expected = f"an id that no other test has; the first is at line {place}"
            yield Flaw(("tests", index, "id"), f"'{shorten(test_id)}' again", expected)
        elif test_id is not None:
            first[test_id] = index
        if body is not None and not reading.flaws:
            yield ground.complete(reading.values, body, document.place("tests", index))
