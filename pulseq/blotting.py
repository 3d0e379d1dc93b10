"""Secrets of a run: the forms in which their values appear, and messages and events without them."""

from __future__ import annotations

import base64
import dataclasses
import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar
from xml.sax.saxutils import escape

from msgspec import Struct, structs

from pulseq.execution.runtime.blotting import Blotter

T = TypeVar("T")

#: Of a shorter value everything would be blotted out.
LEAST_CHARACTERS = 4
#: A line of a value, or what stands for it within a longer text in base64, is blotted from so many characters on.
_LEAST_PART = 8
#: Fields that name things, by which they are found again; whoever makes one blots it then.
_NAMES = frozenset(
    (
        *("run_id", "test_id", "variant", "node_id", "entry", "key", "task_run", "id", "state_id", "incarnation"),
        *("address", "scheduler", "state_type", "state", "before", "body", "priority", "requirements", "when"),
        *("url", "flow_run_id", "version", "options", "suite", "host", "capabilities", "sound", "nodeid", "subtests"),
        *("sha256", "media_type"),
    )
)
#: Metrics that every attempt has.
_MEASURED = frozenset(("duration", "response_time", "memory_usage", "cpu_usage"))


def make_blotter(values: Iterable[str]) -> Blotter | None:
    """What blots these values out, in all forms that are told of in the guide; None where there are none."""
    forms = {form for value in values for form in forms_of(value)}
    return Blotter(forms) if forms else None


def forms_of(value: str) -> set[str]:
    """The texts in which a secret appears: itself, and as programs encode it."""
    bare = value.strip()
    lines = {line.strip() for line in value.splitlines()} if len(value.splitlines()) > 1 else set()
    forms = {value, bare, *(line for line in lines if len(line) >= _LEAST_PART)}
    for text in {value, bare}:
        data = text.encode("utf-8", "surrogateescape")
        forms |= {*_escaped(text), *_in_urls(data), *_in_base64(data)}
    return {form for form in forms if len(form) >= LEAST_CHARACTERS}


def _escaped(text: str) -> Iterator[str]:
    """As Python and JSON write it between quotes, and HTML and XML as text."""
    for show in (repr, ascii):
        shown = show(f"\"'{text}")[len("'\"\\'") : -1]  # in a text with both kinds of quotes
        yield from (shown, shown.replace("\\'", "'"))
    yield repr(text.encode("utf-8", "surrogateescape"))[2:-1]
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (escape(text), escape(text, {'"': "&quot;", "'": "&#x27;"}))


def _in_urls(data: bytes) -> Iterator[str]:
    for quoted in (urllib.parse.quote(data), urllib.parse.quote(data, safe=""), urllib.parse.quote_plus(data)):
        yield quoted
        parts = quoted.split("%")
        yield "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _in_base64(data: bytes) -> Iterator[str]:
    """By itself, with and without its padding, and as a part of something longer that begins wherever it will."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(data).decode()
        yield from (whole, whole.rstrip("="))
        for before in range(3):
            # A letter is of the value alone where all of its six bits are.
            first, after = -(-8 * before // 6), 8 * (before + len(data)) // 6
            part = encode(bytes(before) + data).decode()[first:after]
            if len(part) >= _LEAST_PART:
                yield part


def blot_texts(value: T, blotter: Blotter) -> T:
    """A message, an event or any value within one with its texts blotted, and its names as they are."""
    blotted: Any = _blot(value, blotter)
    return blotted  # type: ignore[no-any-return]


def _blot(value: Any, blotter: Blotter) -> Any:
    if type(value) is str:
        return blotter.blot(value)
    names = _fields_of(value)
    if names:
        fields = {name: getattr(value, name) for name in names if name not in _NAMES}
        changed = {name: new for name, old in fields.items() if (new := _blot(old, blotter)) is not old}
        replaced = structs.replace if isinstance(value, Struct) else dataclasses.replace
        return replaced(value, **changed) if changed else value
    if isinstance(value, tuple):
        parts = tuple(_blot(one, blotter) for one in value)
        return parts if any(new is not old for new, old in zip(parts, value, strict=True)) else value
    if isinstance(value, Mapping):
        return {name if name in _MEASURED else _blot(name, blotter): _blot(one, blotter) for name, one in value.items()}
    return value


def _fields_of(value: Any) -> tuple[str, ...]:
    """The names of a model's fields; none of anything else."""
    if isinstance(value, Struct):
        return value.__struct_fields__
    return tuple(field.name for field in dataclasses.fields(value)) if dataclasses.is_dataclass(value) else ()
