"""A suite from its YAML or TOML file, with all problems of the file told at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pulseq.artifacts import MOST_OF_A_RUN
from pulseq.errors import NothingToRunError
from pulseq.models import Body, Suite
from pulseq.suites.bodies import read_test
from pulseq.suites.common_keys import DefaultKeys
from pulseq.suites.documents import Document, Flaw, Flawed, describe, find_repeated_ids
from pulseq.suites.nodes_file import NodesFileKeys
from pulseq.suites.one_test import TestBase
from pulseq.suites.project_keys import ProjectKeys, make_project
from pulseq.suites.reading import read_document
from pulseq.suites.schema import Keys, read_whole
from pulseq.suites.values import Size, Text


class SuiteKeys(Keys, thing="a suite", needs=("tests",), free=("tests",)):
    suite: Text
    defaults: DefaultKeys | None
    project: ProjectKeys | None
    artifacts_limit: Size

    @classmethod
    def refuse_key(cls, key: str) -> Flaw:
        if key in NodesFileKeys.kinds():
            return Flaw((key,), "a key of a nodes file", "it in a file of its own, which --nodes names")
        return super().refuse_key(key)


def load_suite(path: Path) -> Suite:
    """The suite that a file describes.

    Raises:
        UsageError: the file cannot be read.
        ConfigurationError: it holds problems; all of them are in it.
        NothingToRunError: it has no tests.
    """
    document = read_document(path, needs="tests")
    flaws: list[Flaw] = []
    written = list(_read_tests(document, flaws))
    flaws += find_repeated_ids(document, "tests", "an id that no other test has; the first is at line")
    top = read_whole(document, SuiteKeys, flaws)
    if not written:
        raise NothingToRunError(f"'{path}' has no tests: add one under its key tests")
    directory = path.absolute().parent
    base = TestBase(directory, top.get("defaults") or {})
    tests = tuple(base.complete(values, body, document.place("tests", index)) for index, (values, body) in written)
    project = make_project(top.get("project") or {}, directory)
    limit = top.get("artifacts_limit", MOST_OF_A_RUN)
    name = top.get("suite", path.stem)
    return Suite(name, tests, str(path), (str(path.absolute()),), project=project, artifacts_limit=limit)


def _read_tests(document: Document, flaws: list[Flaw]) -> Iterator[tuple[int, tuple[dict[str, Any], Body]]]:
    """What is written of each test, with its index; what is wrong with the others goes to `flaws`."""
    entries = document.value.get("tests")
    if not isinstance(entries, list | None):
        written = "[[tests]] before" if document.source.lower().endswith(".toml") else "'- ' before"
        flaws.append(Flaw(("tests",), describe(entries), f"a list of tests, with {written} each"))
        return
    for index, entry in enumerate(entries or ()):
        try:
            yield index, read_test(entry)
        except Flawed as error:
            flaws += [flaw.below("tests", index) for flaw in error.flaws]
