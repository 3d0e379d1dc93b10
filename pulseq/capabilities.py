"""What a test asks of a node, and whether the node has it: the requirements language, pure.

A requirement is written as a value:

| written                | means                                                             |
|------------------------|-------------------------------------------------------------------|
| `chrome`, `4`          | equal; words without case, numbers as numbers                     |
| `8GB`                  | at least that much (`==8GB`: exactly that much)                   |
| `">=8GB"`, `"<1TB"`    | sizes; GB is decimal, GiB binary                                  |
| `3.12`                 | a version, at the precision written: 3.12.1 matches               |
| `">=3.11,<3.14"`       | all of them, by the same value                                    |
| `"!=windows"`          | has the capability, and none of its values is this one            |
| `[chrome, firefox]`    | any of them                                                       |
| `true`, `false`        | the capability is there, is not there                             |

Numbers or versions: two plain numbers compare as numbers, unless the capability is named
`python` or ends in `version`, or the node offers it as dotted text (`"17.10"`, not 17.1).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any

from packaging.version import InvalidVersion, Version

from pulseq.models import CapabilityValue, Scalar

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgtp]?i?b)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_COMPARISON = re.compile(r"(?P<operator>>=|<=|==|!=|>|<)\s*(?P<text>[^\s<>=!~].*)", re.DOTALL)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}
_KINDS: Mapping[type[Any], str] = {type(None): "nothing", list: "a list", tuple: "a list", dict: "a mapping"}
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str) -> int | None:
    """The bytes that a size such as `8GB`, `512 kB` or `2GiB` means; None for what is no size."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    prefix = found["unit"].lower().removesuffix("b")
    power = _POWERS.get(prefix.removesuffix("i"))
    if power is None or prefix == "i":
        return None
    base = 1024 if prefix.endswith("i") else 1000
    return int(Decimal(found["number"]) * int(base**power))


def read_labels(texts: Iterable[str]) -> dict[str, CapabilityValue]:
    """What a node offers, as a command line says it: `browser=chrome`, several values of one name one after the other.

    Raises:
        ValueError: a line for each of them that is no label, with what was found and expected.
    """
    values: dict[str, list[Scalar]] = {}
    problems: list[str] = []
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            problems.append(f"found {text!r}, expected KEY=VALUE, as browser=chrome")
        elif value[0] in "<>=!~^":
            problems.append(f"found {text!r}, expected what the node has, not a comparison")
        else:
            values.setdefault(name, []).append(_read_value(name, value))
    if problems:
        raise ValueError("\n".join(problems))
    return {name: tuple(several) if len(several) > 1 else several[0] for name, several in values.items()}


def _read_value(name: str, text: str) -> Scalar:
    """As a nodes file has it: 3.10 is a version, and no number."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            number = kind(text)
            if str(number) == text and math.isfinite(number) and not is_version_name(name):
                return number
    return text


def is_version_name(capability: str) -> bool:
    """Whether a capability's name alone says that its values are versions."""
    return capability.lower() == "python" or capability.lower().endswith("version")


@dataclass(frozen=True, slots=True)
class Term:
    """One value in every way it can be read; `text` is how it was written, `dotted` if as text with a dot."""

    text: str
    word: str
    size: int | None = None
    number: float | None = None
    version: Version | None = None
    dotted: bool = False


@lru_cache(maxsize=16384, typed=True)
def _read_term(value: Scalar) -> Term:
    text = str(value).lower() if isinstance(value, bool) else str(value).strip()
    if isinstance(value, bool):
        return Term(text, text)
    number = float(text) if _NUMBER.fullmatch(text) else None
    return Term(
        text, text.casefold(), parse_size(text), number, _read_version(text), isinstance(value, str) and "." in text
    )


def _read_version(text: str) -> Version | None:
    if not text[:1].isdigit():
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is one of >= <= > < == != or empty: the value was written bare."""

    operator: str
    term: Term

    def holds(self, offered: Term, *, by_version: bool) -> bool:
        """Whether one offered value stands this comparison."""
        wanted = self.term
        if wanted.size is not None and offered.size is not None:
            return self._order(offered.size, wanted.size, bare=ge)
        if wanted.number is not None and offered.number is not None and not (by_version or offered.dotted):
            return self._order(offered.number, wanted.number)
        if wanted.version and offered.version and (by_version or wanted.dotted or offered.dotted):
            return self._order_versions(offered.version, wanted.version)
        equal = wanted.word == offered.word
        return not equal if self.operator == "!=" else equal and self.operator not in (">", "<")

    def _order(self, offered: float, wanted: float, bare: Callable[[Any, Any], bool] | None = None) -> bool:
        if self.operator in _ORDERS:
            return _ORDERS[self.operator](offered, wanted)
        if self.operator == "!=":
            return offered != wanted
        return bare(offered, wanted) if bare and not self.operator else offered == wanted

    def _order_versions(self, offered: Version, wanted: Version) -> bool:
        if self.operator in _ORDERS:
            return _ORDERS[self.operator](offered, wanted)
        same = offered == wanted or _is_prefix(wanted, offered)
        return not same if self.operator == "!=" else same

    def __str__(self) -> str:
        implied = ">=" if self.term.size is not None else ""
        return f"{self.operator or implied}{self.term.text}"


def _is_prefix(wanted: Version, offered: Version) -> bool:
    precision = len(wanted.release)
    return not (wanted.is_prerelease or wanted.local) and offered.release[:precision] == wanted.release


@dataclass(frozen=True, slots=True)
class Clause:
    """Presence (`present` is not None), or comparisons that one value has to stand all of."""

    present: bool | None = None
    comparisons: tuple[Comparison, ...] = ()

    def accepts(self, offered: tuple[Term, ...], *, by_version: bool) -> bool:
        """Whether a capability with these values (none: it is not there) is what is asked for."""
        if self.present is not None:
            return bool(offered) is self.present
        if not offered:
            return False
        quantify = all if all(one.operator == "!=" for one in self.comparisons) else any
        return quantify(
            all(comparison.holds(term, by_version=by_version) for comparison in self.comparisons) for term in offered
        )

    @property
    def value(self) -> Scalar:
        """What `parse_requirement` reads back as this clause."""
        if self.present is not None:
            return self.present
        return ",".join(f"{one.operator}{one.term.text}" for one in self.comparisons)

    def __str__(self) -> str:
        return ",".join(map(str, self.comparisons))


@dataclass(frozen=True, slots=True)
class Requirement:
    """A parsed requirement: any of its clauses will do."""

    clauses: tuple[Clause, ...]

    def accepts(self, offered: CapabilityValue | None, *, by_version: bool = False) -> bool:
        """Whether a capability's value (None: the node does not have it) meets this."""
        terms = _read_offer(offered)
        return any(clause.accepts(terms, by_version=by_version) for clause in self.clauses)

    @property
    def value(self) -> CapabilityValue:
        """What `parse_requirement` reads back as this requirement."""
        values = tuple(clause.value for clause in self.clauses)
        return values[0] if len(values) == 1 else values

    def describe(self, capability: str) -> str:
        """The requirement in words: `browser=chrome|firefox`, `memory>=8GB`, `gpu`, `no gpu`."""
        compared = "|".join(str(clause) for clause in self.clauses if clause.present is None)
        if compared:
            compared = capability + (compared if compared[0] in "<>=!" else f"={compared}")
        presence = [
            capability if clause.present else f"no {capability}" for clause in self.clauses if not clause.comparisons
        ]
        return " or ".join([*presence, *([compared] if compared else [])])


def _read_offer(offered: CapabilityValue | None) -> tuple[Term, ...]:
    values = offered if isinstance(offered, (tuple, list)) else (offered,)
    return tuple(_read_term(value) for value in values if value is not None and value is not False)


def parse_requirement(value: object) -> Requirement:
    """Read what a suite writes beside a capability's name.

    Raises:
        ValueError: it is no expression; the text says what was found and what was expected.
    """
    if isinstance(value, (list, tuple)):
        if not value:
            raise ValueError("found an empty list, expected at least one value")
        return Requirement(tuple(_parse_clause(_check_scalar(one)) for one in value))
    return Requirement((_parse_clause(_check_scalar(value)),))


def _check_scalar(value: object) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"found {value}, expected a finite number")
    if isinstance(value, str) and not value.strip():
        raise ValueError("found an empty string, expected a word, a number, a size or a version")
    if isinstance(value, (str, int, float)):
        return value
    kind = next((words for known, words in _KINDS.items() if isinstance(value, known)), f"a {type(value).__name__}")
    raise ValueError(f"found {kind}, expected a word, a number, a size, a version, true, false, or a list of these")


@lru_cache(maxsize=16384, typed=True)
def _parse_clause(value: Scalar) -> Clause:
    if isinstance(value, bool):
        return Clause(present=value)
    text = str(value).strip()
    if text[0] not in "<>=!~^":
        return Clause(comparisons=(Comparison("", _read_term(text)),))
    return Clause(comparisons=tuple(_parse_comparison(part.strip()) for part in text.split(",")))


def _parse_comparison(text: str) -> Comparison:
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise ValueError(f"found {text!r}, expected one of >= <= > < == != and then a value")
    term = _read_term(found["text"])
    if found["operator"] in _ORDERS and term.size is None and term.number is None and term.version is None:
        raise ValueError(f"found {text!r}, expected a number, a size or a version after {found['operator']}")
    return Comparison(found["operator"], term)


@dataclass(frozen=True, slots=True)
class Miss:
    """One requirement that a node does not meet; `offered` is None where it lacks the capability."""

    capability: str
    wanted: str
    offered: str | None

    def __str__(self) -> str:
        return f"wants {self.wanted}, has {self.found}"

    @property
    def found(self) -> str:
        """What the node has instead: `browser=chrome`, `no gpu`."""
        return f"no {self.capability}" if self.offered is None else f"{self.capability}={self.offered}"


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a node fits, and what speaks against it."""

    misses: tuple[Miss, ...] = ()

    @property
    def fits(self) -> bool:
        return not self.misses


def match(requirements: Mapping[str, CapabilityValue], capabilities: Mapping[str, CapabilityValue]) -> Match:
    """Hold what a test requires against what a node offers.

    Raises:
        ValueError: a requirement is no expression.
    """
    return Match(tuple(_find_misses(requirements, capabilities)))


def _find_misses(
    requirements: Mapping[str, CapabilityValue], capabilities: Mapping[str, CapabilityValue]
) -> Iterable[Miss]:
    for capability, value in requirements.items():
        requirement = parse_requirement(value)
        offered = capabilities.get(capability)
        if not requirement.accepts(offered, by_version=is_version_name(capability)):
            terms = _read_offer(offered)
            text = "|".join(term.text for term in terms) if terms else None
            yield Miss(capability, requirement.describe(capability), text)


def requirement_key(requirements: Mapping[str, CapabilityValue]) -> tuple[tuple[str, str], ...]:
    """A hashable key; tests with equal keys fit the same nodes, so one match serves them all."""
    return tuple(sorted((capability, repr(value)) for capability, value in requirements.items()))


def describe_requirements(requirements: Mapping[str, CapabilityValue]) -> str:
    """All requirements in words: `browser=firefox and memory>=8GB`."""
    return " and ".join(parse_requirement(value).describe(name) for name, value in requirements.items())


def nearest_miss(
    requirements: Mapping[str, CapabilityValue], offers: Mapping[str, Mapping[str, CapabilityValue]]
) -> str:
    """Why no node fits, with the node that comes nearest and what it has instead.

    The nearest misses the fewest requirements; among equals the one whose numbers are closest.

    Args:
        offers: node id to the node's capabilities; none of them fits.
    """
    wanted = f"no node fits {describe_requirements(requirements)}"
    if not offers:
        return f"{wanted}: there are no nodes"
    found = {node: match(requirements, capabilities).misses for node, capabilities in offers.items()}
    node = min(found, key=lambda one: (len(found[one]), sum(map(_measure_distance, found[one]))))
    instead = " and ".join(miss.found for miss in found[node])
    return f"{wanted}: nearest is {node}, which has {instead}"


def _measure_distance(miss: Miss) -> float:
    """From 0 (nearly there) to 1 (another word), 2 where the capability is not there at all."""
    if miss.offered is None:
        return 2.0
    wanted = _read_magnitude(miss.wanted.removeprefix(miss.capability).lstrip("<>=!"))
    offered = _read_magnitude(miss.offered)
    if wanted is None or offered is None:
        return 1.0
    return abs(wanted - offered) / max(abs(wanted), abs(offered), 1e-9) / 2


def _read_magnitude(text: str) -> float | None:
    term = _read_term(text)
    return term.size if term.size is not None else term.number
