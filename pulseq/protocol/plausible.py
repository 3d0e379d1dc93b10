"""Numbers in what a node tells that cannot be: each is taken as the nearest that can.

What a node tells is data: it may be damaged, or of somebody who wishes the run ill.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pulseq.bounds import LAST_MOMENT, MOST_BYTES, MOST_COUNT, MOST_SECONDS
from pulseq.models import AttemptResult
from pulseq.protocol.from_node import (
    AttemptEnd,
    AttemptStart,
    CasesFound,
    NodeMessage,
    SessionEnd,
    TaskRunState,
)

S = TypeVar("S", bound=Struct)
_Range = tuple[str, float, float]

#: No moment that a node tells of what it does is further from now, but for what began before and ends now.
FAR_SECONDS = 30 * 86_400.0

_OF_RESULT: tuple[_Range, ...] = (
    ("attempt", 1, MOST_COUNT),
    ("duration", 0.0, MOST_SECONDS),
    ("queue_seconds", 0.0, MOST_SECONDS),
    ("output_bytes", 0, MOST_BYTES),
    ("exit_code", -MOST_COUNT, MOST_COUNT),
    ("signal", 0, MOST_COUNT),
    ("leaked_processes", 0, MOST_COUNT),
)
#: What files tell of themselves may be any time that a calendar has.
_OF_CASE = (*_OF_RESULT, ("started_at", 0.0, LAST_MOMENT))
_OF_STATE: tuple[_Range, ...] = (
    ("run_count", 0, MOST_COUNT),
    ("run_seconds", 0.0, MOST_SECONDS),
    ("retries", 0, MOST_COUNT),
    ("retry_seconds", 0.0, MOST_SECONDS),
)
_MOMENTS = ("at", "started_at", "ended_at", "scheduled_at")


def plausible(message: NodeMessage, now: float) -> tuple[NodeMessage, str | None]:
    """A message with numbers that can be, which is itself where all are, and one that could not: `duration nan`.

    Metrics that are no numbers stay where they are, for the result to tell that they are left out.

    Args:
        now: what the node's clock says, in Unix seconds, as far as that is known.
    """
    match message:
        case AttemptEnd(result):
            believed, trouble = _attempt(result, now)
            return message if believed is result else replace(message, result=believed), trouble
        case TaskRunState():
            moments = [(name, now - FAR_SECONDS, now + FAR_SECONDS) for name in _MOMENTS]
            changes, trouble = _outside(message, (*_OF_STATE, *moments))
            return _changed(message, changes | {name: now for name in changes if name in _MOMENTS}), trouble
        case CasesFound():
            cases, trouble = _cases(message.cases)
            bad_files, more = _cases(message.bad_files)
            changed = trouble is not None or more is not None
            return replace(message, cases=cases, bad_files=bad_files) if changed else message, trouble or more
        case AttemptStart():
            changes, trouble = _outside(message, _OF_RESULT[:1])
            return _changed(message, changes), trouble
        case SessionEnd(_, result=end):
            changes, trouble = _outside(end, (("exit_status", -MOST_COUNT, MOST_COUNT),))
            return replace(message, result=_changed(end, changes)) if changes else message, trouble
    return message, None


def _attempt(result: AttemptResult, now: float) -> tuple[AttemptResult, str | None]:
    result, trouble = _result(result, _OF_RESULT)
    # Zero says that nothing was started.
    if result.started_at and not abs(result.started_at + result.duration - now) <= FAR_SECONDS:
        trouble = trouble or f"started_at {result.started_at!r}"
        result = replace(result, started_at=now - result.duration)
    return result, trouble


def _cases(results: tuple[AttemptResult, ...]) -> tuple[tuple[AttemptResult, ...], str | None]:
    found = [_result(result, _OF_CASE) for result in results]
    return tuple(result for result, _ in found), next((trouble for _, trouble in found if trouble), None)


def _result(result: AttemptResult, ranges: Iterable[_Range]) -> tuple[AttemptResult, str | None]:
    changes, trouble = _outside(result, ranges)
    for name, value in result.metrics.items():
        if not math.isfinite(value):
            trouble = trouble or f"metric {name!r} {value!r}"
    for name, count in result.subtests.items():
        if not 0 <= count <= MOST_COUNT:
            trouble = trouble or f"subtests {name!r} {count!r}"
            changes["subtests"] = {one: min(max(many, 0), MOST_COUNT) for one, many in result.subtests.items()}
    return _changed(result, changes), trouble


def _outside(told: Struct, ranges: Iterable[_Range]) -> tuple[dict[str, object], str | None]:
    """The nearest that can be for each number that cannot, and the first of these."""
    changes: dict[str, object] = {}
    trouble = None
    for name, least, most in ranges:
        value = getattr(told, name)
        if value is not None and not least <= value <= most:
            trouble = trouble or f"{name} {value!r}"
            changes[name] = most if value > most else least  # which is also for what is no number
    return changes, trouble


def _changed(told: S, changes: dict[str, object]) -> S:
    return replace(told, **changes) if changes else told
