"""The kinds of values that files and dicts of ours have, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar, cast

from pulseq.capabilities import is_version_name, parse_requirement, parse_size
from pulseq.errors import nearest
from pulseq.models import CapabilityValue, Scalar
from pulseq.suites.documents import Flaw, Flawed, WrittenFloat, describe, shorten
from pulseq.suites.schema import Expected, ReadBy, read

T = TypeVar("T")
_LEAST_MEMORY = 100_000
#: Ids of nodes and runs name files and directories.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
FILE_NAME_WORDS = "up to 100 letters, digits, '.', '_' and '-', the first of them a letter or digit"


def read_text(value: Any) -> str:
    """Text that is not blank and that an operating system could take."""
    if not isinstance(value, str):
        quote = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
        raise Flawed.at(describe(value), f"text{quote}")
    if not value.strip():
        raise Flawed.at("empty text", "text")
    return _refuse_nul(value)


def read_written(value: Any) -> str:
    """Text, or a number, true or false as it was written: what programs and environments take."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return _refuse_nul(value.text if isinstance(value, WrittenFloat) else str(value))
    raise Flawed.at(describe(value), "text or a number")


def _refuse_nul(text: str) -> str:
    if "\0" in text:
        raise Flawed.at("text with a NUL character", "text without one")
    return text


def one_of(words: Mapping[str, T]) -> Callable[[Any], T]:
    """A reader of one of these words, which mean these values; without case."""

    def read(value: Any) -> T:
        word = value.lower() if isinstance(value, str) else ""
        if word not in words:
            raise Flawed.at(describe(value), f"one of {', '.join(words)}", suggestion=nearest(word, words))
        return words[word]

    return read


def read_size(value: Any) -> int:
    """Bytes, from a size such as `512MB` or from a whole number of them."""
    size = parse_size(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise Flawed.at(describe(value), "a size such as 512MB or 2GiB")
    return size


def read_memory(value: Any) -> int:
    """Bytes of memory, from a size: so few that no program can begin in them are a size without its unit."""
    size = read_size(value)
    if size < _LEAST_MEMORY:
        raise Flawed.at(f"{describe(value)}, which is {size} bytes", "a size such as 512MB or 2GiB")
    return size


def read_file_name(value: Any) -> str:
    """An id that names files as well."""
    name = read_text(value)
    if not FILE_NAME.fullmatch(name):
        raise Flawed.at(f"'{shorten(name)}'", FILE_NAME_WORDS)
    return name


def _by_capability(expected: str, check: Callable[[CapabilityValue], None]) -> ReadBy:
    def read(values: Any) -> dict[str, CapabilityValue]:
        if not isinstance(values, Mapping):
            raise Flawed.at(describe(values), f"a mapping of capabilities to {expected}")
        kept = {str(name): _keep_versions(str(name), value) for name, value in values.items()}
        flaws: list[Flaw] = []
        for name, value in kept.items():
            try:
                read_text(name)
                check(value)
            except Flawed as error:
                flaws += [flaw.below(name) for flaw in error.flaws]
        if flaws:
            raise Flawed(flaws)
        return kept

    return ReadBy(read)


def _keep_versions(capability: str, value: Any) -> CapabilityValue:
    """The value with decimals kept as text where their text says more: 3.10 is no 3.1."""
    if isinstance(value, (list, tuple)):
        return tuple(cast(Scalar, _keep_versions(capability, item)) for item in value)
    if isinstance(value, WrittenFloat):
        says_more = is_version_name(capability) or value.text != str(float(value))
        return value.text if says_more else float(value)
    return cast(CapabilityValue, value)


def _check_requirement(value: CapabilityValue) -> None:
    try:
        parse_requirement(value)
    except ValueError as error:
        found, _, expected = str(error).removeprefix("found ").partition(", expected ")
        turned = isinstance(value, str) and value.strip()[:2] in ("=>", "=<")
        meant = f"{value.strip()[1]}={value.strip()[2:]}" if isinstance(value, str) and turned else None
        raise Flawed.at(found, expected, suggestion=meant) from None


def _check_offer(value: CapabilityValue) -> None:
    values: tuple[Scalar, ...] = value if isinstance(value, tuple) else (value,)
    if not values:
        raise Flawed.at("an empty list", "at least one value")
    for one in values:
        _check_requirement((one,))
        if isinstance(one, str) and one.strip()[0] in "<>=!~^":
            raise Flawed.at(describe(one), "what the node has, not a comparison")


MapKey: TypeAlias = Annotated[str, ReadBy(str)]
Text: TypeAlias = Annotated[str, ReadBy(read_text)]
Written: TypeAlias = Annotated[str, ReadBy(read_written)]
FileName: TypeAlias = Annotated[str, ReadBy(read_file_name)]
Flag: TypeAlias = Annotated[bool, Expected("true or false")]
Seconds: TypeAlias = Annotated[float, Expected("a number of seconds, 0 or more", ge=0)]
PositiveSeconds: TypeAlias = Annotated[float, Expected("a number of seconds above 0", gt=0)]
Size: TypeAlias = Annotated[int, ReadBy(read_size)]
Memory: TypeAlias = Annotated[int, ReadBy(read_memory)]
Requirements: TypeAlias = Annotated[
    dict[str, CapabilityValue],
    _by_capability("what is required of them, such as {os: linux}", _check_requirement),
]
Capabilities: TypeAlias = Annotated[
    dict[str, CapabilityValue],
    _by_capability("what the node offers, such as {browser: chrome}", _check_offer),
]
_Names = Annotated[dict[MapKey, Written], Expected("a mapping of names to values, such as {MODE: fast}")]


def _read_variables(value: Any) -> dict[str, str]:
    variables: dict[str, str] = read(_Names, value)
    wrong = [name for name in variables if not name or "=" in name or "\0" in name]
    if wrong:
        raise Flawed(Flaw((name,), "this name", "the name of an environment variable") for name in wrong)
    return variables


Variables: TypeAlias = Annotated[dict[str, str], ReadBy(_read_variables)]
