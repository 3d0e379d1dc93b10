"""The table for people and the JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.parity.check import Checked, Compared
from tests.parity.compare import Difference, words_of_counts
from tests.parity.meant import Meant
from tests.parity.modes import XDIST

_HEAD = ("suite", "plug-ins", "mode", "exit", "counts", "seconds", "equal")
#: How many differences of a mode the table tells; the JSON has all.
_TOLD = 12


def render_table(checked: Sequence[Checked]) -> str:
    """A row for each mode of each suite, then what differs."""
    rows = [_HEAD, *(row for suite in checked for row in _rows(suite))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    return "\n".join([*lines, *(line for suite in checked for line in _remarks(suite))])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _rows(checked: Checked) -> Iterable[tuple[str, ...]]:
    plugins = ", ".join(checked.suite.plugins) or "–"
    if not checked.modes:
        yield (checked.suite.name, plugins, "–", "–", checked.failure.splitlines()[0][:60], "–", "not run")
    for index, mode in enumerate(checked.modes):
        outcome = mode.outcome
        yield (
            checked.suite.name,
            plugins,
            outcome.mode,
            "–" if outcome.exit_code is None else str(outcome.exit_code),
            words_of_counts(outcome.counts) or outcome.failure or "nothing",
            f"{outcome.seconds:.1f}",
            _verdict(mode) if index else "–",
        )


def _verdict(mode: Compared) -> str:
    meant = f" ({len(mode.meant)} meant)" if mode.meant else ""
    return f"{len(mode.differences)} differ{meant}" if mode.differences else f"yes{meant}"


def _remarks(checked: Checked) -> Iterable[str]:
    title = " + ".join((checked.suite.name, *checked.suite.plugins))
    if checked.failure:
        yield f"\n{title}: not compared: {checked.failure}"
    if checked.unstable:
        yield f"\n{title}: unstable in pytest itself: {', '.join(sorted(checked.unstable)[:_TOLD])}"
    of_xdist = {found for mode in checked.modes if mode.outcome.mode == XDIST for found in mode.differences}
    for mode in checked.modes:
        if mode.differences or mode.meant:
            yield f"\n{title}, {mode.outcome.mode}:"
        for found in mode.differences[:_TOLD]:
            alike = " (as pytest-xdist)" if mode.outcome.mode != XDIST and found in of_xdist else ""
            yield f"  {tell_difference(found)}{alike}"
        if len(mode.differences) > _TOLD:
            yield f"  … and {len(mode.differences) - _TOLD} more"
        yield from (f"  meant: {tell_difference(found)} ({entry.reason})" for found, entry in mode.meant[:_TOLD])


def tell_difference(difference: Difference) -> str:
    """A difference in one line."""
    return f"{difference.what}: {difference.expected} → {difference.actual}"


def render_unused(entries: Iterable[Meant]) -> str:
    """The entries of the list of meant differences that did not occur."""
    return "\n".join(f"meant but not found: {entry.suite}, {entry.what} ({entry.reason})" for entry in entries)


def describe_checked(checked: Checked) -> dict[str, Any]:
    """A suite as an object ready for `json.dumps`."""
    return {
        "suite": checked.suite.name,
        "plugins": list(checked.suite.plugins),
        "fails": checked.fails,
        "failure": checked.failure,
        "unstable": sorted(checked.unstable),
        "modes": [_describe_mode(mode) for mode in checked.modes],
    }


def _describe_mode(mode: Compared) -> dict[str, Any]:
    outcome = mode.outcome
    return {
        "mode": outcome.mode,
        "exit_code": outcome.exit_code,
        "seconds": round(outcome.seconds, 3),
        "counts": dict(outcome.counts),
        "files": list(outcome.files),
        "failure": outcome.failure,
        "differences": [_describe_difference(difference) for difference in mode.differences],
        "meant": [_describe_difference(found) | {"reason": entry.reason} for found, entry in mode.meant],
    }


def _describe_difference(difference: Difference) -> dict[str, str]:
    return {"what": difference.what, "expected": difference.expected, "actual": difference.actual}
