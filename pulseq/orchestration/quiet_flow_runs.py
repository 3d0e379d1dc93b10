"""Flow runs that say nothing on the terminal of the program that they are part of."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

#: Where Prefect tells of a flow run's start, address and end.
_LOGGERS = ("prefect.engine", "prefect.flow_runs")
_quiet: ContextVar[bool] = ContextVar("pulseq-quiet-flow-run", default=False)


@contextlib.contextmanager
def quiet_flow_runs() -> Iterator[None]:
    """Drop what Prefect logs of flow runs that are started in this context; those of others are told as ever."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_heard)  # once, however often
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def _is_heard(_record: logging.LogRecord) -> bool:
    return not _quiet.get()
