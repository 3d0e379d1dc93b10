"""From what a pytest runner says of an item to the result of an attempt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from msgspec.structs import replace

from pulseq.execution.attempt_result import join_metrics, measured_metrics
from pulseq.models import AttemptResult, PytestWarning, Reason, Status
from pulseq.pytest_sessions import CollectedItem, CollectedVerdict, Collection, PytestOrder, SessionResult

#: What is kept of one attempt, one collection or one end of a session, in numbers and in characters.
MOST_WARNINGS = 100
MOST_PROPERTIES = 100
WARNING_CHARACTERS = 2_000
PROPERTY_CHARACTERS = 10_000
SHORT_CHARACTERS = 1_000
SUMMARY_CHARACTERS = 200_000
CATEGORY_CHARACTERS = 100
MOST_CATEGORIES = 20
_OUTCOMES = ("passed", "failed", "skipped", "xfailed")


def collection_of(message: Mapping[str, Any], *, isolation: str = "fork") -> Collection:
    """The collection that was told by what collects; `isolation` is how its slots start."""
    return Collection(
        isolation=isolation,
        isolation_reason=message.get("isolation_reason"),
        items=tuple(
            CollectedItem(name, location, tuple(marks), scope) for name, location, marks, scope in message["items"]
        ),
        verdicts=tuple(
            CollectedVerdict(entry["nodeid"], Status(entry["status"]), Reason(entry["reason"]), entry["error"])
            for entry in message["verdicts"]
        ),
        deselected=message["deselected"],
        ordered=message["ordered"],
        threads=tuple(message.get("threads") or ()),
        loops=tuple(message.get("loops") or ()),
        seconds=message["seconds"],
        warnings=_warnings(message.get("warnings")),
    )


def session_result(message: Mapping[str, Any]) -> SessionResult:
    """The end of a session, from a message that has the fields as keys; only `exit_status` must be there."""
    properties = islice(message.get("properties") or (), MOST_PROPERTIES)
    categories = message.get("categories") or ()
    return SessionResult(
        message["exit_status"],
        _clip_or_none(message.get("error"), SUMMARY_CHARACTERS),
        _clip(message.get("summary") or "", SUMMARY_CHARACTERS),
        _warnings(message.get("warnings")),
        tuple((_clip(name, PROPERTY_CHARACTERS), _clip(value, PROPERTY_CHARACTERS)) for name, value in properties),
        tuple((_clip(name, CATEGORY_CHARACTERS), count) for name, count in islice(categories, MOST_CATEGORIES)),
    )


def attempt_results(order: PytestOrder, node_id: str, message: Mapping[str, Any]) -> tuple[AttemptResult, ...]:
    """The results of all attempts that a start came to: those that a plug-in made anew, then the one that counts."""
    reruns = message.get("reruns") or ()
    earlier = (_rerun(order, node_id, number, told) for number, told in enumerate(reruns, order.attempt))
    last = replace(attempt_result(order, node_id, message), attempt=order.attempt + len(reruns))
    return (*earlier, last)


def _rerun(order: PytestOrder, node_id: str, attempt: int, told: Mapping[str, Any]) -> AttemptResult:
    duration, output = told["duration"], told.get("output") or ""
    return AttemptResult(
        test_id=order.test_id,
        variant=order.variant,
        attempt=attempt,
        node_id=node_id,
        status=Status(told["status"]),
        reason=None if told["reason"] is None else Reason(told["reason"]),
        started_at=told["started_at"],
        duration=duration,
        error=told["error"],
        output=output,
        output_bytes=len(output.encode("utf-8", "replace")),
        metrics={"duration": duration, "response_time": duration},
        rerun=True,
        short=_clip_or_none(told.get("short"), SHORT_CHARACTERS),
    )


def attempt_result(order: PytestOrder, node_id: str, message: Mapping[str, Any]) -> AttemptResult:
    """The result that a runner, or its keeper, told of an item; the last one where there were several."""
    measured = measured_metrics(
        duration=message["duration"],
        response_time=message["response_time"],
        memory_usage=message["memory"],
        cpu_usage=message["cpu"],
    )
    metrics, warnings = join_metrics(measured, message["metrics"], order.metrics)
    return AttemptResult(
        test_id=order.test_id,
        variant=order.variant,
        attempt=order.attempt,
        node_id=node_id,
        status=Status(message["status"]),
        reason=None if message["reason"] is None else Reason(message["reason"]),
        started_at=message["started_at"],
        duration=message["duration"],
        error=message["error"],
        output=message["output"],
        output_bytes=message["output_bytes"],
        exit_code=message.get("exit_code"),
        signal=message.get("signal"),
        metrics=metrics,
        leaked_processes=message.get("leaked", 0),
        warnings=(*message["warnings"], *warnings),
        pytest_warnings=_warnings(message.get("pytest_warnings")),
        xpassed=_clip_or_none(message.get("xpassed"), WARNING_CHARACTERS),
        properties=_properties(message.get("properties")),
        subtests=_subtests(message.get("subtests")),
        short=_clip_or_none(message.get("short"), SHORT_CHARACTERS),
    )


def _warnings(told: Iterable[Mapping[str, Any]] | None) -> tuple[PytestWarning, ...]:
    return tuple(
        PytestWarning(
            _clip(one["category"], WARNING_CHARACTERS),
            _clip(one["message"], WARNING_CHARACTERS),
            _clip(one.get("location") or "", WARNING_CHARACTERS),
            one.get("when") or "runtest",
        )
        for one in islice(told or (), MOST_WARNINGS)
    )


def _properties(told: Iterable[tuple[str, str, str]] | None) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (kind, _clip(name, PROPERTY_CHARACTERS), _clip(value, PROPERTY_CHARACTERS))
        for kind, name, value in islice(told or (), MOST_PROPERTIES)
    )


def _subtests(told: Mapping[str, int] | None) -> dict[str, int]:
    return {outcome: told[outcome] for outcome in _OUTCOMES if told.get(outcome)} if told else {}


def _clip(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _clip_or_none(text: str | None, characters: int) -> str | None:
    return None if text is None else _clip(text, characters)


def unmeasured_result(order: PytestOrder, node_id: str, reason: Reason, error: str) -> AttemptResult:
    """An `error` of an order that came to no body, or whose body nobody saw end."""
    return AttemptResult(
        test_id=order.test_id,
        variant=order.variant,
        attempt=order.attempt,
        node_id=node_id,
        status=Status.ERROR,
        reason=reason,
        started_at=time.time(),
        error=error,
        metrics=measured_metrics(),
    )


#: From the best status to the worst: a failure of the test itself stays one when its teardown fails too.
_WORSE = (Status.PASSED, Status.SKIPPED, Status.ERROR, Status.FAILED)


def late_result(last: AttemptResult, message: Mapping[str, Any]) -> AttemptResult:
    """The same attempt again, after the teardown of a wider fixture; its status is the worse of both."""
    status = Status(message["status"])
    last = replace(
        last,
        warnings=(*last.warnings, *message["warnings"]),
        pytest_warnings=(*last.pytest_warnings, *_warnings(message.get("pytest_warnings")))[:MOST_WARNINGS],
        output="\n".join(text for text in (last.output, message["output"]) if text),
        output_bytes=last.output_bytes + len(message["output"].encode("utf-8", "replace")),
    )
    if _WORSE.index(status) > _WORSE.index(last.status):
        short = _clip_or_none(message.get("short"), SHORT_CHARACTERS)
        return replace(last, status=status, reason=Reason(message["reason"]), error=message["error"], short=short)
    if status is Status.ERROR and message["error"]:
        return replace(last, error="\n\n".join(text for text in (last.error, message["error"]) if text))
    return last
