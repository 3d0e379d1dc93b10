"""From what a pytest runner says of an item to the result of an attempt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pulseq.models import (
    AttemptResult,
    CollectedItem,
    CollectedVerdict,
    Collection,
    PytestOrder,
    Reason,
    SessionEnd,
    Status,
)


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
        seconds=message["seconds"],
    )


def attempt_result(order: PytestOrder, node_id: str, message: Mapping[str, Any]) -> AttemptResult:
    """The result that a runner, or its keeper, told of an item."""
    metrics = {
        **message["metrics"],
        "duration": message["duration"],
        "response_time": message["response_time"],
        "memory_usage": message["memory"],
        "cpu_usage": message["cpu"],
    }
    missing = [f"the metric {name!r} was not reported" for name in order.metrics if name not in metrics]
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
        warnings=(*message["warnings"], *missing),
    )


def session_end(entry: str, node_id: str, message: Mapping[str, Any]) -> SessionEnd:
    """What a session came to, as its controller told it."""
    return SessionEnd(
        entry,
        node_id,
        message["exit_status"],
        message["error"],
        message["summary"],
        tuple((str(name), str(value)) for name, value in message["properties"]),
    )


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
        metrics={"duration": 0.0, "response_time": 0.0, "memory_usage": 0.0, "cpu_usage": 0.0},
    )


def late_result(last: AttemptResult, message: Mapping[str, Any]) -> AttemptResult:
    """The same attempt again, after the teardown of a wider fixture failed; a failure of its own stays one."""
    own = last.status is Status.FAILED
    return replace(
        last,
        status=last.status if own else Status.ERROR,
        reason=last.reason if own else Reason(message["reason"]),
        error="\n\n".join(text for text in (last.error if own else None, message["error"]) if text),
        output="\n".join(text for text in (last.output, message["output"]) if text),
        output_bytes=last.output_bytes + len(message["output"].encode("utf-8", "replace")),
    )
