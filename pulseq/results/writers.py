"""The four events that every test has, written as JSON by hand: a third of what a general encoder takes.

They make nearly all of a journal, and the driver writes them while tests wait for it. Each function gives
the text of an event's fields, those left out that stand at their plain default, as `codec` has it for the
other events. Values that the models do not promise make them raise: the general encoder judges these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from math import isfinite
from pathlib import PurePath
from typing import Any

from pulseq.events import AttemptFinished, AttemptStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status


def general_text(value: object) -> str:
    """Any value as compact JSON in pure ASCII.

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
    if not isfinite(value):
        raise ValueError(f"found {value}, expected a finite number")
    return repr(value if type(value) is float else float(value))


def write_planned(event: TestPlanned) -> str:
    """The fields of `test_planned`."""
    text = (
        f'{{"test_id":{quoted(event.test_id)},"variant":{quoted(event.variant)},"name":{quoted(event.name)},'
        f'"body":{quoted(event.body)},"priority":{quoted(event.priority)}'
    )
    if event.location is not None:
        text += f',"location":{quoted(event.location)}'
    if event.expected_seconds is not None:
        text += f',"expected_seconds":{number(event.expected_seconds)}'
    if event.requirements:
        text += f',"requirements":{general_text(event.requirements)}'
    return text + "}"


def write_started(event: AttemptStarted) -> str:
    """The fields of `attempt_started`."""
    text = (
        f'{{"test_id":{quoted(event.test_id)},"variant":{quoted(event.variant)},"attempt":{event.attempt:d},'
        f'"node_id":{quoted(event.node_id)}'
    )
    return text + (f',"task_run":{quoted(event.task_run)}}}' if event.task_run is not None else "}")


def write_finished(event: AttemptFinished) -> str:
    """The fields of `attempt_finished`."""
    result = event.result
    text = (
        f'{{"result":{{"test_id":{quoted(result.test_id)},"attempt":{result.attempt:d},'
        f'"node_id":{quoted(result.node_id)},"status":{_STATUS[result.status]},'
        f'"started_at":{number(result.started_at)},"duration":{number(result.duration)}'
    )
    if result.variant:
        text += f',"variant":{quoted(result.variant)}'
    if result.reason is not None:
        text += f',"reason":{_REASON[result.reason]}'
    if result.queue_seconds:
        text += f',"queue_seconds":{number(result.queue_seconds)}'
    if result.metrics:
        metrics = ",".join([f"{quoted(name)}:{number(value)}" for name, value in result.metrics.items()])
        text += f',"metrics":{{{metrics}}}'
    if result.error is not None:
        text += f',"error":{quoted(result.error)}'
    return f"{text}{_body_ending(result)}}}}}"


def write_closed(event: TestClosed) -> str:
    """The fields of `test_closed`."""
    text = (
        f'{{"test_id":{quoted(event.test_id)},"variant":{quoted(event.variant)},"status":{_STATUS[event.status]},'
        f'"reason":{_REASON[event.reason]},"flaky":{"true" if event.flaky else "false"},"attempts":{event.attempts:d}'
    )
    if event.node_id is not None:
        text += f',"node_id":{quoted(event.node_id)}'
    if event.error is not None:
        text += f',"error":{quoted(event.error)}'
    return text + "}"


def _body_ending(result: AttemptResult) -> str:
    """What its process left, which is nothing for an item of a pack."""
    text = f',"output":{quoted(result.output)}' if result.output else ""
    if result.output_bytes:
        text += f',"output_bytes":{result.output_bytes:d}'
    if result.exit_code is not None:
        text += f',"exit_code":{result.exit_code:d}'
    if result.signal is not None:
        text += f',"signal":{result.signal:d}'
    if result.simulated:
        text += ',"simulated":true'
    if result.leaked_processes:
        text += f',"leaked_processes":{result.leaked_processes:d}'
    if result.warnings:
        text += f',"warnings":{general_text(result.warnings)}'
    return text


def _plain(value: object) -> object:
    """What stands in JSON for a value that JSON has no word for."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a journal cannot hold {value!r}, a {type(value).__name__}")


_GENERAL = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_plain)
_STATUS = {status: quoted(status.value) for status in Status}
_REASON: Mapping[Reason | None, str] = {None: "null"} | {reason: quoted(reason.value) for reason in Reason}
#: How the fields of each of these events are written.
WRITERS: Mapping[type[Any], Callable[[Any], str]] = {
    TestPlanned: write_planned,
    AttemptStarted: write_started,
    AttemptFinished: write_finished,
    TestClosed: write_closed,
}
