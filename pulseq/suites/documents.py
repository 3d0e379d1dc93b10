"""A configuration file as plain values that know their lines, and the flaws found in it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pulseq.errors import ConfigurationError, Problem

#: The way from the top of a document to a value: keys of mappings and indexes of lists.
KeyPath: TypeAlias = tuple[str | int, ...]
_LONGEST_SHOWN = 60


class WrittenFloat(float):
    """A decimal that remembers how it was written, for where 3.10 is a version and not 3.1."""

    text: str

    def __new__(cls, text: str) -> WrittenFloat:
        number = super().__new__(cls, text)
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a value.

    Attributes:
        path: where, seen from whoever reads the value.
        line: known already where no value stands at the path.
    """

    path: KeyPath
    found: str
    expected: str
    suggestion: str | None = None
    line: int | None = None

    def below(self, *steps: str | int) -> Flaw:
        """The same flaw seen from further up."""
        return replace(self, path=(*steps, *self.path))

    def __str__(self) -> str:
        key = f"{format_path(self.path)}: " if self.path else ""
        text = f"{key}found {self.found}, expected {self.expected}"
        return f"{text}; did you mean {self.suggestion!r}?" if self.suggestion else text


class Flawed(ValueError):
    """A value cannot be read; `flaws` are all that is wrong with it."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("\n".join(map(str, self.flaws)))

    @classmethod
    def at(cls, found: str, expected: str, *path: str | int, suggestion: str | None = None) -> Flawed:
        """One flaw alone."""
        return cls([Flaw(path, found, expected, suggestion)])


@dataclass(frozen=True, slots=True)
class Document:
    """A file that has been parsed.

    Attributes:
        source: the file as the user named it.
        value: mappings, lists and scalars.
        flaws: what was wrong with it already as a text (duplicate keys).
        find_line: the line of the value at a path, or of the nearest value above it.
    """

    source: str
    value: Any
    flaws: tuple[Flaw, ...] = ()
    find_line: Callable[[KeyPath], int | None] = lambda _: None

    def refuse(self, flaws: Iterable[Flaw]) -> ConfigurationError:
        """The error that tells all flaws of the file, in its order."""
        problems = [
            Problem(
                self.source,
                flaw.line or self.find_line(flaw.path),
                format_path(flaw.path),
                flaw.found,
                flaw.expected,
                flaw.suggestion,
            )
            for flaw in flaws
        ]
        return ConfigurationError(sorted(problems, key=lambda problem: problem.line or 0))

    def entries(self, key: str) -> list[Mapping[str, Any]]:
        """The mappings of the list under a key, empty ones in the place of anything else."""
        found = self.value.get(key)
        return [entry if isinstance(entry, dict) else {} for entry in found] if isinstance(found, list) else []

    def place(self, *path: str | int) -> str:
        """`file:line` of the value at a path."""
        line = self.find_line(path)
        return self.source if line is None else f"{self.source}:{line}"


def find_repeated(values: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """The index of each value that was there before, and where it was first; None may be there any number of times."""
    first: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if value is not None and (other := first.setdefault(value, index)) != index:
            yield index, other


def find_repeated_ids(document: Document, key: str, expected: str) -> Iterator[Flaw]:
    """Each id in the list under a key that another before it has; `expected` is to be followed by the line of that."""
    ids = [entry.get("id") for entry in document.entries(key)]
    for index, other in find_repeated(one if isinstance(one, str) and one.strip() else None for one in ids):
        line = document.find_line((key, other, "id"))
        yield Flaw((key, index, "id"), f"'{shorten(str(ids[index]))}' again", f"{expected} {line}")


def format_path(path: Sequence[str | int]) -> str:
    """`tests[3].requirements.memory`; the document itself is `(file)`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{shorten(step)}"
    return text.removeprefix(".") or "(file)"


def shorten(text: str) -> str:
    """The text on one line and of a length that a message can carry."""
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"


def describe(value: object) -> str:
    """A value as an error message shows it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case WrittenFloat():
            return value.text
        case str():
            return f"'{shorten(value)}'"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case int() | float():
            return shorten(str(value))
    return f"a {type(value).__name__}"
