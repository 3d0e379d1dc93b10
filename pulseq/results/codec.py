"""Events as lines of a journal, and back.

A line is one JSON object: `seq`, `time`, `kind` (the event's class in snake case), `data` (its
fields, those left out that stand at their plain default) and, last, `crc`: the CRC-32 in hex of all
bytes before it. A line whose end was lost or whose bits were turned therefore never passes for a whole
one. Text is UTF-8 without a line break; what UTF-8 cannot carry, a lone surrogate, is JSON's `\\u` escape.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult

_CHECKSUM_KEY = b',"crc":"'
_TAIL_LENGTH = len(_CHECKSUM_KEY) + len('01234567"}')


class DamagedLine(ValueError):
    """A line that cannot be believed or understood; its text says why."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
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
    return encode_stamped(seq, number(time).encode(), event)


def encode_stamped(seq: int, stamp: bytes, event: Event) -> bytes:
    """As `encode_line`, with a time that `number` has written already."""
    head = b'{"seq":%d,"time":%b,"kind":"%b","data":%b' % (seq, stamp, _KIND_BYTES[type(event)], _fields(event))
    return b'%b,"crc":"%08x"}\n' % (head, zlib.crc32(head))


def decode_line(line: bytes, end_offset: int = 0) -> JournalEntry:
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
        return JournalEntry(int(raw["seq"]), float(raw["time"]), _event_of(raw["kind"], raw["data"]), end_offset)
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise DamagedLine(f"it is no event that this version knows: {error}") from error


def _event_of(kind: str, data: Any) -> Event:
    event_type = _TYPE_OF.get(kind)
    if event_type is None:
        raise DamagedLine(f"its kind of event, {kind!r}, is unknown to this version")
    event: Event = msgspec.convert(data, event_type)  # what a newer version added is left out
    return event


def _fields(event: Event) -> bytes:
    """The fields of an event as JSON.

    The events that every test has go through msgspec, at a tenth of what the standard library takes: they make
    nearly all of a journal, and the driver writes them while tests wait for it. What msgspec would write other
    than it should be read (`null` for what is not finite), or not at all, is for the general encoder to judge.
    """
    try:
        quick = _QUICKLY[type(event)](event)
    except (LookupError, TypeError, ValueError, OverflowError):
        quick = None
    if quick is not None:
        return quick
    if isinstance(event, AttemptFinished):
        return general_text({"result": _shallow(_with_finite_metrics(event.result))}).encode()
    return general_text(_shallow(event)).encode()


def _planned(event: TestPlanned) -> bytes | None:
    if event.expected_seconds is not None and not math.isfinite(event.expected_seconds):
        return None
    if event.requirements and not _WORDS.issuperset(map(type, event.requirements.values())):
        return None
    return _ENCODE(event)


def _finished(event: AttemptFinished) -> bytes | None:
    result = event.result
    values = result.metrics.values()
    if not _NUMBERS.issuperset(map(type, values)):
        return None
    finite = math.isfinite(sum(values, result.started_at + result.duration + result.queue_seconds))
    return _ENCODE(event) if finite else None


def _shallow(model: Any) -> dict[str, Any]:
    """The fields of a model, those left out that stand at their plain default."""
    values = {}
    for name, default in _FIELDS_OF[type(model)].items():
        value = getattr(model, name)
        if default is msgspec.NODEFAULT or value != default:
            values[name] = value
    return values


def _with_finite_metrics(result: AttemptResult) -> AttemptResult:
    finite = {name: float(value) for name, value in result.metrics.items() if _is_finite(value)}
    bad = {name: value for name, value in result.metrics.items() if name not in finite}
    warnings = tuple(f"metric {name!r} was {value}, not a finite number: left out" for name, value in bad.items())
    return replace(result, metrics=finite, warnings=result.warnings + warnings)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer past what a float can hold
        return False


def _fields_of(model: Any) -> dict[str, Any]:
    return {item.name: item.default for item in msgspec.structs.fields(model)}


def general_text(value: object) -> str:
    """Any value as compact JSON in pure ASCII: for what the quick encoder cannot judge.

    Raises:
        TypeError: JSON has no word for a part of it.
        ValueError: a number in it is not finite.
    """
    return _GENERAL.encode(value)


def number(value: float) -> str:
    """A number as JSON, to be read back as the very same.

    Raises:
        ValueError: it is not finite.
        OverflowError: it is an integer past what a float can hold.
    """
    if not math.isfinite(value):
        raise ValueError(f"found {value}, expected a finite number")
    return repr(value if type(value) is float else float(value))


def _plain(value: object) -> object:
    """What stands in JSON for a value that JSON has no word for."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a journal cannot hold {value!r}, a {type(value).__name__}")


_GENERAL = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_plain)
_EVENT_TYPES: tuple[type[Any], ...] = get_args(Event)
_KIND_OF = {kind: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower() for kind in _EVENT_TYPES}
_KIND_BYTES = {event_type: kind.encode() for event_type, kind in _KIND_OF.items()}
_TYPE_OF = {kind: event_type for event_type, kind in _KIND_OF.items()}
_FIELDS_OF: dict[Any, dict[str, Any]] = {model: _fields_of(model) for model in (*_EVENT_TYPES, AttemptResult)}
_ENCODE = msgspec.json.Encoder().encode
_NUMBERS = frozenset({int, float})
_WORDS = frozenset({str, int, bool})
#: What msgspec writes of an event, None where it cannot be asked.
_QUICKLY: dict[type[Any], Callable[[Any], bytes | None]] = {
    TestPlanned: _planned,
    AttemptStarted: _ENCODE,
    AttemptFinished: _finished,
    TestClosed: _ENCODE,
}
