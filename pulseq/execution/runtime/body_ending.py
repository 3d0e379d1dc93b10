"""The verdict of an attempt from what was seen of its body: pure functions."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any, Dict, Optional

#: What follows the words on the end of a program are the last lines of its output.
OUTPUT_FOLLOWS = "; its last output:"
_LAST_LINES = 5
_LONGEST_LINE = 300


class SetupError(Exception):
    """The body cannot be started; the text is a sentence for the user."""


@dataclass
class Ending:
    """How a body ended, as far as it matters for the verdict.

    Attributes:
        cause: why it was ended from outside: timeout, memory, output_limit, a stop's reason; None when it was not.
        status: what `os.wait4` said; None when it was not seen to end.
        verdict: what the body's process itself said; None for a command.
        own_verdict: whether the body's process has to say its verdict itself.
    """

    cause: Optional[str] = None
    status: Optional[int] = None
    verdict: Optional[Dict[str, Any]] = None
    own_verdict: bool = False
    timeout: Optional[float] = None
    memory_limit: Optional[int] = None
    output_limit: Optional[int] = None
    peak_rss: int = 0
    output: str = ""


def outcome(status: str, reason: Optional[str] = None, error: Optional[str] = None, **more: Any) -> Dict[str, Any]:
    """A verdict as it travels."""
    return {"status": status, "reason": reason, "error": error, **more}


def unstarted(verdict: Dict[str, Any]) -> Dict[str, Any]:
    """The result, as it travels, of a body that was not started."""
    return {
        "op": "result",
        "response_time": None,
        "warnings": [],
        "started_at": time.time(),
        "duration": 0.0,
        "cpu_seconds": 0.0,
        "peak_rss": 0,
        "exit_code": None,
        "signal": None,
        "output": "",
        "output_bytes": 0,
        "metrics": {},
        "leaked": 0,
        **verdict,
    }


def decide(ending: Ending) -> Dict[str, Any]:
    """Status, reason and error of an ended body."""
    if ending.cause is not None:
        return outcome("error", ending.cause, _explain(ending))
    if ending.memory_limit is not None and ending.peak_rss > ending.memory_limit:
        return outcome("error", "memory", _explain(ending))
    if ending.verdict is not None:
        return ending.verdict
    return _from_status(ending)


def _explain(ending: Ending) -> str:
    if ending.cause == "timeout":
        return f"timeout: still running after {ending.timeout:g} s, so it was ended"
    if ending.cause == "output_limit":
        return f"wrote more output than its limit of {ending.output_limit} bytes, so it was ended"
    if ending.cause == "memory" or ending.cause is None:
        used, limit = ending.peak_rss / 1e6, (ending.memory_limit or 0) / 1e6
        return f"used {used:.1f} MB of memory, more than its limit of {limit:.1f} MB"
    return f"{ending.cause}: it was ended before it was done"


def _from_status(ending: Ending) -> Dict[str, Any]:
    if ending.status is None:
        return outcome("error", "crash", "its process was not seen to end")
    if os.WIFSIGNALED(ending.status):
        return outcome("error", "crash", f"ended by {signal_name(os.WTERMSIG(ending.status))}{_last(ending.output)}")
    code = os.WEXITSTATUS(ending.status)
    if ending.own_verdict:
        return outcome(
            "error", "crash", f"its process ended with exit code {code} before a verdict{_last(ending.output)}"
        )
    if code == 0:
        return outcome("passed")
    return outcome("failed", "exit_code", f"exit code {code}{_last(ending.output)}")


def signal_name(number: int) -> str:
    """A signal in words, with what is likely where that is known."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    hint = "; the machine may have run out of memory" if number == signal.SIGKILL else ""
    return f"signal {number} ({name}{hint})"


def _last(output: str) -> str:
    lines = [line.rstrip()[-_LONGEST_LINE:] for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    return "\n".join([OUTPUT_FOLLOWS, *lines]) if lines else ""
