"""Readers: functions from a plain value to what it means, or `Flawed` with all that is wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from pulseq.capabilities import is_version_name, parse_requirement, parse_size
from pulseq.errors import nearest
from pulseq.models import CapabilityValue, Scalar
from pulseq.suites.documents import Flaw, Flawed, WrittenFloat, describe
from pulseq.suites.other_words import translate

T = TypeVar("T")
_LEAST_MEMORY = 100_000
_WORD = re.compile(r"[\w.-]{1,40}")
Reader: TypeAlias = Callable[[Any], T]


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


def read_flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Flawed.at(describe(value), "true or false")
    return value


def read_seconds(value: Any) -> float:
    """A finite number of seconds, 0 or more."""
    return _read_number(value, "a number of seconds, 0 or more", lambda number: number >= 0)


def read_positive_seconds(value: Any) -> float:
    """A finite number of seconds above 0."""
    return _read_number(value, "a number of seconds above 0", lambda number: number > 0)


def _read_number(value: Any, expected: str, fits: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Flawed.at(describe(value), f"{expected}{_say_bare(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or not fits(number):
        raise Flawed.at(describe(value), expected)
    return number


def _say_bare(value: Any) -> str:
    """That a number which was written as text is none: `'8000'`, `30s`."""
    if not isinstance(value, str) or not value.strip()[:1].isdigit():
        return ""
    return ", without a unit" if value.strip()[-1].isalpha() else ", without quotes"


def whole_number(lowest: int, highest: int | None = None) -> Reader[int]:
    """A reader of whole numbers from `lowest` to `highest`."""
    expected = f"a whole number, {lowest} or more" if highest is None else f"a whole number from {lowest} to {highest}"

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Flawed.at(describe(value), f"{expected}{_say_bare(value)}")
        if value < lowest or (highest is not None and value > highest):
            raise Flawed.at(describe(value), expected)
        return value

    return read


def one_of(words: Mapping[str, T]) -> Reader[T]:
    """A reader of one of these words, which mean these values; without case."""

    def read(value: Any) -> T:
        expected = f"one of {', '.join(words)}"
        if not isinstance(value, str):
            raise Flawed.at(describe(value), expected)
        if value.lower() not in words:
            raise Flawed.at(describe(value), expected, suggestion=nearest(value.lower(), list(words)))
        return words[value.lower()]

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


def list_of(reader: Reader[T], expected: str) -> Reader[tuple[T, ...]]:
    """A reader of lists; `expected` says of what."""

    def read(value: Any) -> tuple[T, ...]:
        if not isinstance(value, (list, tuple)):
            is_word = isinstance(value, str) and _WORD.fullmatch(value)
            raise Flawed.at(describe(value), expected, suggestion=f"[{value}]" if is_word else None)
        return tuple(item for _, item in collect((index, reader, item) for index, item in enumerate(value)))

    return read


def mapping_of(reader: Reader[T], expected: str) -> Reader[dict[str, T]]:
    """A reader of mappings whose keys are free; `expected` says of what."""

    def read(value: Any) -> dict[str, T]:
        if not isinstance(value, Mapping):
            raise Flawed.at(describe(value), expected)
        return {str(key): item for key, item in collect((str(key), reader, item) for key, item in value.items())}

    return read


def collect(parts: Iterable[tuple[str | int, Reader[T], Any]]) -> list[tuple[str | int, T]]:
    """Read each part (step, reader, value); the flaws of all of them are raised together."""
    read: list[tuple[str | int, T]] = []
    flaws: list[Flaw] = []
    for step, reader, value in parts:
        try:
            read.append((step, reader(value)))
        except Flawed as error:
            flaws += [flaw.below(step) for flaw in error.flaws]
    if flaws:
        raise Flawed(flaws)
    return read


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of a mapping, and what is wrong with the rest."""

    values: dict[str, Any]
    flaws: tuple[Flaw, ...]

    def finish(self) -> dict[str, Any]:
        """The values; raises Flawed unless all is well."""
        if self.flaws:
            raise Flawed(self.flaws)
        return self.values


def read_keys(value: Any, readers: Mapping[str, Reader[Any]], *, required: Collection[str] = (), thing: str) -> Reading:
    """Read a mapping whose keys are known; `thing` names it in messages (`a test`).

    A key that `readers` does not know is a flaw, with the nearest that it does.
    """
    if not isinstance(value, Mapping):
        return Reading({}, (Flaw((), describe(value), f"{thing}, as a mapping of keys to values"),))
    values: dict[str, Any] = {}
    flaws: list[Flaw] = []
    for key, item in value.items():
        if key not in readers:
            flaws.append(_refuse_key(str(key), readers, thing))
            continue
        try:
            values[key] = readers[key](item)
        except Flawed as error:
            flaws += [flaw.below(key) for flaw in error.flaws]
    missing = set(required) - set(value) - {flaw.suggestion for flaw in flaws}
    flaws += [Flaw((key,), "nothing", f"this key, which {thing} needs") for key in required if key in missing]
    return Reading(values, tuple(flaws))


def _refuse_key(key: str, readers: Mapping[str, Reader[Any]], thing: str) -> Flaw:
    meant = translate(key, readers) or nearest(key, readers)
    expected = f"a key of {thing}" if meant else f"a key of {thing}: {', '.join(readers)}"
    return Flaw((key,), "an unknown key", expected, meant)


def read_requirements(value: Any) -> dict[str, CapabilityValue]:
    """Requirements by capability, each of them an expression."""
    return _read_by_capability(
        value, "a mapping of capabilities to what is required of them, such as {os: linux}", _check_requirement
    )


def read_capabilities(value: Any) -> dict[str, CapabilityValue]:
    """What a node offers, by capability."""
    return _read_by_capability(
        value, "a mapping of capabilities to what the node offers, such as {browser: chrome}", _check_offer
    )


def _read_by_capability(
    value: Any, expected: str, check: Callable[[CapabilityValue], None]
) -> dict[str, CapabilityValue]:
    if not isinstance(value, Mapping):
        raise Flawed.at(describe(value), expected)

    def reader_for(capability: str) -> Reader[CapabilityValue]:
        def read(item: Any) -> CapabilityValue:
            kept = _keep_versions(capability, item)
            check(kept)
            return kept

        return read

    return {
        str(name): item for name, item in collect((str(key), reader_for(str(key)), item) for key, item in value.items())
    }


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
