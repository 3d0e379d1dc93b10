"""One test from its mapping: the keys that every test may have, and the defaults under them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulseq.errors import nearest
from pulseq.models import Body, Priority, SimulateBody, TestCase
from pulseq.suites.bodies import COMPANIONS, KINDS, read_body
from pulseq.suites.documents import Flaw, Flawed, describe
from pulseq.suites.readers import (
    Reader,
    Reading,
    list_of,
    mapping_of,
    one_of,
    read_keys,
    read_memory,
    read_positive_seconds,
    read_requirements,
    read_seconds,
    read_size,
    read_text,
    read_written,
    whole_number,
)


def _read_variables(value: Any) -> dict[str, str]:
    variables = mapping_of(read_written, "a mapping of names to values, such as {MODE: fast}")(value)
    flaws = [
        Flaw((name,), "this name", "the name of an environment variable")
        for name in variables
        if not name or "=" in name or "\0" in name
    ]
    if flaws:
        raise Flawed(flaws)
    return variables


def _read_labels(value: Any) -> dict[str, Any]:
    if isinstance(value, (list, tuple)):
        return dict.fromkeys(list_of(read_text, "a list of labels")(value), True)
    return mapping_of(_read_label, "a list of labels, or a mapping")(value)


def _read_label(value: Any) -> Any:
    if value is None or isinstance(value, (dict, list, tuple)):
        raise Flawed.at(describe(value), "text, a number, true or false")
    return float(value) if isinstance(value, float) else value


_PRIORITIES = {priority.word: priority for priority in sorted(Priority, reverse=True)}

#: Keys that make sense for all tests of a suite at once.
DEFAULT_READERS: Mapping[str, Reader[Any]] = {
    "timeout": read_positive_seconds,
    "max_retries": whole_number(0),
    "retry_delay": read_seconds,
    "requirements": read_requirements,
    "priority": one_of(_PRIORITIES),
    "metrics": list_of(read_text, "a list of metrics' names"),
    "env": _read_variables,
    "cwd": read_text,
    "python": read_text,
    "memory_limit": read_memory,
    "output_limit": read_size,
}
_OWN_READERS: Mapping[str, Reader[Any]] = {
    "id": read_text,
    "name": read_text,
    "duration": read_seconds,
    "labels": _read_labels,
    **DEFAULT_READERS,
}


def _leave_to_body(value: Any) -> Any:
    return value


_READERS: Mapping[str, Reader[Any]] = {
    "id": read_text,
    **dict.fromkeys((*KINDS, *COMPANIONS), _leave_to_body),
    **_OWN_READERS,
}
#: The field of TestCase that a key fills, where it is not called like the key.
_FIELDS = {"timeout": "timeout_seconds", "retry_delay": "retry_delay_seconds"}


@dataclass(frozen=True, slots=True)
class Ground:
    """What a test stands on: the folder that its paths are relative to, and its suite's defaults."""

    base: Path
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def complete(self, values: Mapping[str, Any], body: Body, location: str | None = None) -> TestCase:
        """The test that these values and the defaults make; requirements and env are merged."""
        known = {**self.defaults, **values}
        for key in ("requirements", "env"):
            known[key] = {**self.defaults.get(key, {}), **values.get(key, {})}
        known["name"] = known.get("name", known["id"])
        known["cwd"] = sys.intern(os.path.abspath(self.base / known.get("cwd", ".")))
        if "python" in known:
            known["python"] = locate_python(known["python"], self.base)
        fields = {_FIELDS.get(key, key): value for key, value in known.items() if key in _OWN_READERS}
        return TestCase(body=body, location=location, **fields)


def locate_python(python: str, base: Path) -> str:
    """An interpreter's path made absolute, without following links; a bare name stays one."""
    expanded = os.path.expanduser(python)
    return os.path.abspath(base / expanded) if os.sep in expanded else expanded


def read_test(mapping: Any) -> tuple[Reading, Body | None]:
    """What could be read of a test in a suite file, its body, and all that is wrong with it."""
    reading = read_keys(mapping, _READERS, required=["id"], thing="a test")
    if not isinstance(mapping, Mapping):
        return reading, None
    try:
        body = read_body(mapping)
    except Flawed as error:
        return Reading(reading.values, (*reading.flaws, *error.flaws)), None
    if body is None and not any((flaw.suggestion or "").split(".")[0] in KINDS for flaw in reading.flaws):
        missing = Flaw((), "no body", f"exactly one of {', '.join(KINDS)}")
        return Reading(reading.values, (*reading.flaws, missing)), None
    return reading, body


def test_from_mapping(mapping: Mapping[str, Any], *, base: Path) -> tuple[TestCase, list[str]]:
    """A test of the Python API: the keys of a suite file, in a dict.

    A test without a body is simulated for its `duration`. Keys that are not known are kept as
    labels; the second value has a warning for each of them that looks like a typo.

    Args:
        base: the folder that `cwd` and `python` are relative to.

    Raises:
        ValueError: a value that cannot be used; the text is one sentence about the first of them.
    """
    if not isinstance(mapping, Mapping):
        raise ValueError(f"found {describe(mapping)}, expected a test as a dict")
    known = {key: value for key, value in mapping.items() if key in _READERS}
    others = {str(key): value for key, value in mapping.items() if key not in _READERS}
    try:
        values = read_keys(known, _READERS, required=["id"], thing="a test").finish()
        body = read_body(known) or SimulateBody(duration=values.get("duration", 0.0))
    except Flawed as error:
        raise ValueError(f"test {describe(mapping.get('id'))}: {error.flaws[0]}") from None
    values["labels"] = {**others, **values.get("labels", {})}
    return Ground(base).complete(values, body), _warn_of_typos(values["id"], others)


def _warn_of_typos(test_id: str, keys: Mapping[str, Any]) -> list[str]:
    meant = {key: nearest(key, list(_READERS)) for key in keys}
    return [
        f"test '{test_id}': unknown key '{key}' is kept as a label; did you mean '{known}'?"
        for key, known in meant.items()
        if known
    ]
