"""Lines in the log of a flow run: its page shows them, and the page of a task run those that are its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pulseq.orchestration.artifacts import shown_text
from pulseq.orchestration.prefect_client import open_client

_LOGGER = "pulseq.run"
#: Lines of one request: with the longest texts still less than the 4 MB that a server takes.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class LogLine:
    """What the log shall say; `task_run` is the id of the one it is about, `at` Unix seconds."""

    text: str
    at: float
    task_run: str | None = None
    level: int = logging.ERROR


async def tell_log(flow_run_id: str, lines: Sequence[LogLine]) -> None:
    """Add lines to the log of a flow run.

    By requests of their own that are answered: Prefect's handler keeps what it has in a thread, and is off on nodes.

    Raises:
        InfrastructureError: the API does not take it.
    """
    for start in range(0, len(lines), _AT_ONCE):
        async with open_client() as client:
            await client.create_logs([_log(flow_run_id, line) for line in lines[start : start + _AT_ONCE]])


def _log(flow_run_id: str, line: LogLine) -> dict[str, Any]:
    return {
        "name": _LOGGER,
        "level": line.level,
        "message": shown_text(line.text),
        "timestamp": datetime.fromtimestamp(line.at, UTC).isoformat(),
        "flow_run_id": str(UUID(flow_run_id)),
        "task_run_id": line.task_run,
    }
