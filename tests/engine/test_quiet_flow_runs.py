"""Flow runs that say nothing."""

from __future__ import annotations

import contextvars
import logging

import pytest

from pulseq.engine.quiet_flow_runs import quiet_flow_runs


@pytest.mark.parametrize("name", ["prefect.engine", "prefect.flow_runs"])
def test_what_is_logged_inside_is_dropped_and_nothing_else(name: str, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger(name)
    caplog.set_level(logging.INFO)
    logger.addHandler(caplog.handler)  # Prefect's own setup may keep its records from the root
    elsewhere = contextvars.copy_context()
    with quiet_flow_runs():
        logger.warning("inside")
        elsewhere.run(logger.warning, "elsewhere")
    logger.warning("afterwards")
    logger.removeHandler(caplog.handler)

    assert {"elsewhere", "afterwards"} == set(caplog.messages)
