"""Flow runs that say nothing."""

from __future__ import annotations

import contextvars
import logging

import pytest

from pulseq.orchestration.quiet_flow_runs import quiet_flow_runs


@pytest.mark.parametrize("name", ["prefect.engine", "prefect.flow_runs"])
def test_what_is_logged_inside_is_dropped_and_nothing_else(name: str) -> None:
    # The loggers themselves: Prefect's handlers are for flow runs that there really are.
    logger = logging.getLogger(name)
    record = logger.makeRecord(name, logging.INFO, "flow.py", 1, "Beginning flow run", (), None)
    elsewhere = contextvars.copy_context()
    with quiet_flow_runs():
        inside, outside = logger.filter(record), elsewhere.run(logger.filter, record)

    assert not inside
    assert outside
    assert logger.filter(record)
