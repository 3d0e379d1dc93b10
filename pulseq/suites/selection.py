"""-k and -m for the tests of a suite; `pytest` entries are kept, as pytest selects among their items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pulseq.errors import NothingToRunError
from pulseq.models import PytestBody, Suite, TestCase
from pulseq.suites.expressions import parse_expression


def select(suite: Suite, *, keyword: str | None = None, markers: str | None = None) -> Suite:
    """The tests that both expressions admit.

    Args:
        keyword: as pytest's -k: words that occur in a test's id or name, without case.
        markers: as pytest's -m: names of a test's labels.

    Raises:
        UsageError: an expression that cannot be read.
        NothingToRunError: no test is left.
    """
    choices: list[Callable[[TestCase], bool]] = []
    words = []
    if keyword and keyword.strip():
        by_keyword = parse_expression(keyword, "-k")
        choices.append(lambda test: by_keyword(lambda word: _has_word(test, word)))
        words.append(f"-k '{keyword}'")
    if markers and markers.strip():
        by_marker = parse_expression(markers, "-m")
        choices.append(lambda test: by_marker(lambda word: bool(test.labels.get(word, False))))
        words.append(f"-m '{markers}'")
    kept = [test for test in suite.tests if isinstance(test.body, PytestBody) or all(fits(test) for fits in choices)]
    if not kept:
        raise NothingToRunError(f"none of the {len(suite.tests)} tests of '{suite.name}' fits {' and '.join(words)}")
    return replace(suite, tests=tuple(kept))


def _has_word(test: TestCase, word: str) -> bool:
    return word.lower() in test.id.lower() or word.lower() in test.name.lower()
