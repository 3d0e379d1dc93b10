"""Events as lines of a journal, and back.

A line is one JSON object: `seq`, `time`, `kind` (the event's class in snake case), `data` (its
fields) and, last, `crc`: the CRC-32 in hex of all bytes before it. A line whose end was lost or
whose bits were turned therefore never passes for a whole one. JSON's `\\u` escapes carry any text,
NUL and lone surrogates included, in pure ASCII without a line break.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, get_args

from pulseq.events import AttemptFinished, Event, NodeHealth, NodeJoined, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Liveness, Reason, Status
from pulseq.results.writers import WRITERS, general_text, number

_CHECKSUM_KEY = b',"crc":"'
_TAIL_LENGTH = len(_CHECKSUM_KEY) + len('01234567"}')


class DamagedLine(ValueError):
    """A line that cannot be believed or understood; its text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a journal.

    Attributes:
        seq: its number in the run, from 1, without regard to clocks.
        time: Unix seconds at which it was written.
        end_offset: bytes from the start of the journal to the end of its line.
    """

    seq: int
    time: float
    event: Event
    end_offset: int


def encode_line(seq: int, time: float, event: Event) -> bytes:
    """The line of an event, with its line break.

    Raises:
        ValueError: a number in the event is not finite (metrics apart: such a metric is left out,
            and a warning on the attempt says so).
    """
    return encode_stamped(seq, number(time), event)


def encode_stamped(seq: int, stamp: str, event: Event) -> bytes:
    """As `encode_line`, with a time that `number` has written already."""
    text = f'{{"seq":{seq},"time":{stamp},"kind":"{_KIND_OF[type(event)]}","data":{_fields_text(event)}'
    head = text.encode("ascii")
    return b'%s,"crc":"%08x"}\n' % (head, zlib.crc32(head))


def decode_line(line: bytes, end_offset: int = 0) -> Entry:
    """The entry of a line.

    Raises:
        DamagedLine: the line is torn, its checksum is wrong, or its kind of event is unknown.
    """
    line = line.rstrip(b"\n")
    head, tail = line[:-_TAIL_LENGTH], line[-_TAIL_LENGTH:]
    if not tail.startswith(_CHECKSUM_KEY) or not tail.endswith(b'"}'):
        raise DamagedLine("it is torn: it does not end in a checksum")
    if tail[len(_CHECKSUM_KEY) : -2] != b"%08x" % zlib.crc32(head):
        raise DamagedLine("its checksum is wrong")
    try:
        raw = json.loads(head + b"}")
        return Entry(int(raw["seq"]), float(raw["time"]), _event_of(raw["kind"], raw["data"]), end_offset)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedLine(f"it is no event that this version knows: {error}") from error


def _event_of(kind: str, data: dict[str, Any]) -> Event:
    event_type = _TYPE_OF.get(kind)
    if event_type is None:
        raise DamagedLine(f"its kind of event, {kind!r}, is unknown to this version")
    if event_type is AttemptFinished:
        return AttemptFinished(_build(AttemptResult, data["result"]))
    return _build(event_type, data)  # type: ignore[no-any-return]


def _build(model: Any, data: dict[str, Any]) -> Any:
    """The model from its fields; what a newer version added is left out."""
    known = {name: data[name] for name in _FIELDS_OF[model] if name in data}
    for name, convert in _CONVERSIONS.get(model, {}).items():
        if known.get(name) is not None:
            known[name] = convert(known[name])
    return model(**known)


def _fields_text(event: Event) -> str:
    try:
        return WRITERS[type(event)](event)
    except (LookupError, TypeError, ValueError, OverflowError):
        if isinstance(event, AttemptFinished):
            return general_text({"result": _shallow(_with_finite_metrics(event.result))})
        return general_text(_shallow(event))


def _shallow(model: Any) -> dict[str, Any]:
    """The fields of a model, those left out that stand at their plain default."""
    values = {}
    for name, default in _FIELDS_OF[type(model)].items():
        value = getattr(model, name)
        if default is MISSING or value != default:
            values[name] = value
    return values


def _with_finite_metrics(result: AttemptResult) -> AttemptResult:
    bad = [name for name, value in result.metrics.items() if not _is_finite(value)]
    if not bad:
        return result
    warnings = tuple(f"metric {name!r} was {result.metrics[name]}, not a finite number: left out" for name in bad)
    finite = {name: value for name, value in result.metrics.items() if name not in bad}
    return replace(result, metrics=finite, warnings=result.warnings + warnings)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer past what a float can hold
        return False


def _values_frozen(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Capabilities as models have them: lists are tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in mapping.items()}


def _fields_of(model: Any) -> dict[str, Any]:
    return {item.name: item.default for item in fields(model)}


_EVENT_TYPES: tuple[type[Any], ...] = get_args(Event)
_KIND_OF = {kind: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower() for kind in _EVENT_TYPES}
_TYPE_OF = {kind: event_type for event_type, kind in _KIND_OF.items()}
_FIELDS_OF: dict[Any, dict[str, Any]] = {model: _fields_of(model) for model in (*_EVENT_TYPES, AttemptResult)}
_CONVERSIONS: dict[Any, dict[str, Callable[[Any], Any]]] = {
    AttemptResult: {"status": Status, "reason": Reason, "warnings": tuple},
    TestClosed: {"status": Status, "reason": Reason},
    NodeJoined: {"capabilities": _values_frozen},
    NodeHealth: {"liveness": Liveness},
    TestPlanned: {"requirements": _values_frozen},
}
