"""How reports say a time, a test, a verdict and a capability, and in which colour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pulseq.events import NodeHealth, NodeJoined, TestClosed
from pulseq.models import CapabilityValue, Reason, Status
from pulseq.protocol.clock_offset import ClockOffset, say_offset
from pulseq.safe_text import safe_line

#: Colours of a terminal's own palette, so that they fit light and dark themes.
STYLES: Mapping[str, str] = {
    "passed": "green",
    "failed": "bold red",
    "error": "bold magenta",
    "skipped": "yellow",
    "flaky": "bold yellow",
    "running": "cyan",
    "waiting": "bright_black",
    "quiet": "bright_black",
    "neutral": "bright_black",
    "note": "yellow",
    "name": "bold",
}

_DIGITS = re.compile(r"(\d+)")


def say_seconds(seconds: float) -> str:
    """A measured duration: `0.12 s`, `12.3 s`, `4:05 min`, `1:02:03 h`."""
    if seconds < 9.995:
        return f"{max(seconds, 0.0):.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return f"{say_clock(seconds)} {'h' if seconds >= 3599.5 else 'min'}"


def say_clock(seconds: float) -> str:
    """A running clock: `0:42`, `12:05`, `1:02:03`."""
    whole = max(round(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def say_count(number: int, word: str) -> str:
    """`1 test`, `2 tests`, `2 processes`, `2 dispatches`."""
    return f"{number} {word}{'' if number == 1 else 'es' if word.endswith(('s', 'ch')) else 's'}"


def sort_names(names: Iterable[str]) -> list[str]:
    """Names as people count them: `node2` before `node10`."""
    return sorted(names, key=lambda name: [int(part) if part.isdecimal() else part for part in _DIGITS.split(name)])


def say_test(test_id: str, variant: str, limit: int = 200) -> str:
    """A test by its id and, in parentheses, its variant."""
    name = safe_line(test_id, limit)
    return f"{name} ({safe_line(variant, limit)})" if variant else name


def say_verdict(closed: TestClosed) -> str:
    """`passed`, `failed (assertion)`, `error (timeout)`, `xfailed`, `flaky`, `not run`."""
    if closed.flaky:
        return "flaky"
    if closed.status is Status.ERROR and closed.reason is Reason.CANCELLED:
        return "not run"
    if closed.reason is Reason.XFAIL:
        return "xfailed"
    if closed.reason is None or closed.status in (Status.PASSED, Status.SKIPPED):
        return closed.status.value
    return f"{closed.status.value} ({closed.reason.value})"


def say_capabilities(capabilities: Mapping[str, CapabilityValue]) -> str:
    """Capabilities in short: `linux chrome 8GB`; a true one by its name, a false one not at all."""
    return safe_line(" ".join(filter(None, (_short(name, value) for name, value in capabilities.items()))))


def say_place(node: NodeJoined, seen: NodeHealth | None) -> str:
    """Where a node is that is not of this machine, and what was odd about the way to it: `on lab1; link broke 2 times`.

    Empty where there is nothing to say.
    """
    words = [f"on {safe_line(node.host)}"] if node.labels.get("way", "local") != "local" else []
    if seen is not None and seen.clock_offset is not None:
        clock = ClockOffset(seen.clock_offset, seen.clock_uncertainty or 0.0)
        words += [f"clock {say_offset(clock)}"] * bool(clock.shift)
    if seen is not None and seen.link_breaks:
        words.append(f"link broke {say_count(seen.link_breaks, 'time')}")
    return "; ".join(words)


def _short(name: str, value: CapabilityValue) -> str:
    if isinstance(value, bool):
        return name if value else ""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    if name == "memory" and isinstance(value, int | float):
        return _short_size(value)
    return f"{name}={value}" if isinstance(value, int | float) or name == "python" else str(value)


def _short_size(size: float) -> str:
    for unit, factor in (("TB", 2**40), ("GB", 2**30), ("MB", 2**20)):
        if size >= factor:
            return f"{size / factor:.3g}{unit}"
    return f"{size:g}B"
