"""-k and -m for the tests of a suite; `pytest` entries are kept, as pytest selects among their items.

Both take expressions of words with `and`, `or`, `not` and parentheses, as pytest's do. The grammar, loosest first:
either := both ("or" both)*; both := one ("and" one)*; one := "not" one | "(" either ")" | word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from pulseq.errors import NothingToRunError, UsageError
from pulseq.models import PytestBody, Suite, TestCase

#: Given what says whether a word holds, whether the whole expression does.
Expression: TypeAlias = Callable[[Callable[[str], bool]], bool]

_TOKEN = re.compile(r"\s*(?:(?P<token>[()]|[\w:+\-.\[\]\\/=]+)|(?P<end>$))")
#: What joins expressions, the loosest first, and how many sides have to hold.
_JOINTS: tuple[tuple[str, Callable[[Iterable[bool]], bool]], ...] = (("or", any), ("and", all))
_OPERATORS = ("and", "or", "not", "(", ")")
_DEEPEST = 100


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


def parse_expression(text: str, option: str) -> Expression:
    """Read an expression; `option` names it in messages.

    Raises:
        UsageError: it is none; the text says what stands where, and what was expected.
    """
    return _Parser(text, option).parse()


class _Parser:
    """Reads one text from left to right, one token ahead."""

    def __init__(self, text: str, option: str) -> None:
        self.text = text
        self.option = option
        self.position = 0
        self.start = 0
        self.token = ""
        self.depth = 0
        self._advance()

    def parse(self) -> Expression:
        expression = self._parse_joined()
        if self.token:
            raise self._refuse("'and', 'or' or the end")
        return expression

    def _parse_joined(self, loosest: int = 0) -> Expression:
        if loosest == len(_JOINTS):
            return self._parse_one()
        word, quantify = _JOINTS[loosest]
        sides = [self._parse_joined(loosest + 1)]
        while self.token == word:
            self._advance()
            sides.append(self._parse_joined(loosest + 1))
        return sides[0] if len(sides) == 1 else lambda holds: quantify(side(holds) for side in sides)

    def _parse_one(self) -> Expression:
        word = self.token
        if word == "not" or word == "(":
            return self._parse_nested(word)
        if not word or word in _OPERATORS:
            raise self._refuse("a word, 'not' or '('")
        self._advance()
        return lambda holds: holds(word)

    def _parse_nested(self, opening: str) -> Expression:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._refuse(f"at most {_DEEPEST} levels of 'not' and '('")
        self._advance()
        if opening == "not":
            negated = self._parse_one()
            self.depth -= 1
            return lambda holds: not negated(holds)
        inner = self._parse_joined()
        if self.token != ")":
            raise self._refuse("')'")
        self._advance()
        self.depth -= 1
        return inner

    def _advance(self) -> None:
        found = _TOKEN.match(self.text, self.position)
        if found is None:
            rest = self.text[self.position :]
            self.start = self.position + len(rest) - len(rest.lstrip())
            self.token = self.text[self.start]
            raise self._refuse("a word, 'and', 'or', 'not' or a parenthesis")
        self.position = found.end()
        self.token = found["token"] or ""
        self.start = self.position - len(self.token)

    def _refuse(self, expected: str) -> UsageError:
        found = f"'{self.token}'" if self.token else "the end"
        return UsageError(
            f"{self.option}: found {found} at column {self.start + 1} of '{self.text}', expected {expected}"
        )
