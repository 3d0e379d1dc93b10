"""Connections outlive the cuts that nodes outlive."""

from __future__ import annotations

import pytest

from pulseq.protocol.connections import connection_settings


@pytest.mark.parametrize(
    ("node_timeout", "limit"), [(60.0, "121 s"), (30.2, "62 s"), (5.0, "11 s"), (0.5, "11 s"), (600.0, "1201 s")]
)
def test_a_connection_lives_for_twice_the_limit_of_nodes(node_timeout: float, limit: str) -> None:
    assert connection_settings(node_timeout) == {"distributed.comm.timeouts.tcp": limit}
