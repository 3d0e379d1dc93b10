"""From what a keeper says to an `AttemptResult` with its metrics: pure functions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from pulseq.execution.runtime.wire import Message
from pulseq.models import AttemptOrder, AttemptResult, CallBody, CommandBody, HttpBody, Reason, Status


def measured_metrics(
    *, duration: float = 0.0, response_time: float | None = None, memory_usage: float = 0.0, cpu_usage: float = 0.0
) -> dict[str, float]:
    """The metrics that every attempt has, in seconds, MB and percent of one core.

    Args:
        response_time: the same as `duration` when None.
    """
    return {
        "duration": duration,
        "response_time": duration if response_time is None else response_time,
        "memory_usage": memory_usage,
        "cpu_usage": cpu_usage,
    }


def join_metrics(
    measured: Mapping[str, float], reported: Mapping[str, float], expected: Iterable[str]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """All metrics, and a warning for each that was reported and cannot be taken, or expected and is not there.

    The names of what is measured are reserved: whoever reads `duration` means that of the attempt.
    """
    metrics = {**reported, **measured}
    taken = [
        f"the metric {name!r} is measured by PulseQ, so the reported {reported[name]:g} was not taken: "
        "report it under another name"
        for name in measured
        if name in reported
    ]
    missing = [f"the metric {name!r} was not reported" for name in expected if name not in metrics]
    return metrics, (*taken, *missing)


def order_message(order: AttemptOrder, *, node_id: str, temp_root: str, python_folder: str) -> Message:
    """An order as it travels to a keeper."""
    test = order.test
    return {
        "kind": test.body.kind,
        "body": _body_message(test.body),
        "run_id": order.run_id,
        "test_id": test.id,
        "variant": test.variant,
        "attempt": order.attempt,
        "node_id": node_id,
        "env": {**order.variables, **test.env},
        "secrets": order.secrets,
        "cwd": test.cwd,
        "timeout": order.timeout_seconds,
        "memory_limit": test.memory_limit,
        "output_limit": test.output_limit,
        "temp_root": temp_root,
        "python_folder": python_folder,
    }


def _body_message(body: object) -> Message:
    match body:
        case CommandBody():
            return {"argv": list(body.argv), "shell": body.shell}
        case CallBody():
            return {"target": body.target, "args": list(body.args), "kwargs": dict(body.kwargs)}
        case HttpBody():
            return {
                "url": body.url,
                "method": body.method,
                "headers": dict(body.headers),
                "body": body.body,
                "expect_status": list(body.expect_status),
                "expect_text": body.expect_text,
                "max_seconds": body.max_seconds,
            }
        case _:
            raise TypeError(f"a body of type {type(body).__name__} runs in no process of its own")


def from_message(order: AttemptOrder, node_id: str, message: Mapping[str, Any]) -> AttemptResult:
    """The result that a keeper sent."""
    duration = message["duration"]
    measured = measured_metrics(
        duration=duration,
        response_time=message["response_time"],
        memory_usage=message["peak_rss"] / 1e6,
        cpu_usage=100.0 * message["cpu_seconds"] / duration if duration > 0 else 0.0,
    )
    metrics, warnings = join_metrics(measured, message["metrics"], order.test.metrics)
    return AttemptResult(
        test_id=order.test.id,
        variant=order.test.variant,
        attempt=order.attempt,
        node_id=node_id,
        status=Status(message["status"]),
        reason=Reason(message["reason"]) if message["reason"] else None,
        started_at=message["started_at"],
        duration=duration,
        error=message["error"],
        output=message["output"],
        output_bytes=message["output_bytes"],
        exit_code=message["exit_code"],
        signal=message["signal"],
        metrics=metrics,
        leaked_processes=message["leaked"],
        warnings=(*message["warnings"], *warnings),
    )


def without_body(order: AttemptOrder, node_id: str, reason: Reason, error: str, duration: float = 0.0) -> AttemptResult:
    """The result of an attempt that nothing is known of but what went wrong."""
    return AttemptResult(
        test_id=order.test.id,
        variant=order.test.variant,
        attempt=order.attempt,
        node_id=node_id,
        status=Status.ERROR,
        reason=reason,
        started_at=time.time() - duration,
        duration=duration,
        error=error,
        metrics=measured_metrics(duration=duration),
    )
