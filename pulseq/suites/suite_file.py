"""A suite from its YAML or TOML file, with all problems of the file told at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pulseq.errors import NothingToRunError
from pulseq.models import Suite, TestCase
from pulseq.suites.bodies import read_test
from pulseq.suites.common_keys import DefaultKeys
from pulseq.suites.documents import Document, Flaw, Flawed, describe, find_repeated_ids
from pulseq.suites.one_test import TestBase
from pulseq.suites.reading import read_document
from pulseq.suites.schema import Keys, read
from pulseq.suites.values import Text


class SuiteKeys(Keys, thing="a suite", needs=("tests",)):
    suite: Text
    defaults: DefaultKeys | None
    tests: Any


def load_suite(path: Path) -> Suite:
    """The suite that a file describes.

    Raises:
        UsageError: the file cannot be read.
        ConfigurationError: it holds problems; all of them are in it.
        NothingToRunError: it has no tests.
    """
    document = read_document(path, needs="tests")
    flaws = [*document.flaws]
    top: dict[str, Any] = {}
    try:
        top = read(SuiteKeys, document.value)
    except Flawed as error:
        flaws += map(_send_to_nodes_file, error.flaws)
    tests: list[TestCase] = []
    for part in _read_tests(document, TestBase(path.absolute().parent, top.get("defaults") or {})):
        if isinstance(part, Flaw):
            flaws.append(part)
        else:
            tests.append(part)
    flaws += find_repeated_ids(document, "tests", "an id that no other test has; the first is at line")
    if flaws:
        raise document.refuse(flaws)
    if not tests:
        raise NothingToRunError(f"'{path}' has no tests: add one under its key tests")
    return Suite(top.get("suite", path.stem), tuple(tests), str(path), (str(path.absolute()),))


def _send_to_nodes_file(flaw: Flaw) -> Flaw:
    if flaw.path not in (("nodes",), ("framework",)):
        return flaw
    return replace(flaw, found="a key of a nodes file", expected="it in a file of its own, which --nodes names")


def _read_tests(document: Document, base: TestBase) -> Iterator[TestCase | Flaw]:
    """Each test, or what is wrong with it."""
    entries = document.value.get("tests") or []
    if not isinstance(entries, list):
        written = "[[tests]] before" if document.source.lower().endswith(".toml") else "'- ' before"
        yield Flaw(("tests",), describe(entries), f"a list of tests, with {written} each")
        return
    for index, entry in enumerate(entries):
        try:
            values, body = read_test(entry)
        except Flawed as error:
            yield from (flaw.below("tests", index) for flaw in error.flaws)
        else:
            yield base.complete(values, body, document.place("tests", index))
