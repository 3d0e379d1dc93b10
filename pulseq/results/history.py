"""What earlier runs measured of each test, for planning the next."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass

from pulseq.capabilities import requirement_key
from pulseq.models import Key
from pulseq.results.database import Connection, Database
from pulseq.results.lineage import SAME_LINEAGE, Lineage

#: The last clean attempts of each test: those that passed or failed by themselves and were no stand-ins.
_RECENT = f"""
    SELECT run_id, node_id, test_id, variant, duration
    FROM attempts
    WHERE status IN ('passed', 'failed') AND NOT simulated
        AND run_id IN (SELECT run_id FROM runs AS r WHERE {SAME_LINEAGE})
    QUALIFY row_number() OVER (PARTITION BY test_id, variant ORDER BY started_at DESC, attempt DESC) <= $3
"""
_OVERALL = f"SELECT test_id, variant, median(duration) FROM ({_RECENT}) GROUP BY ALL"
_BY_CLASS = f"""
    SELECT test_id, variant, capabilities, median(duration)
    FROM ({_RECENT}) JOIN nodes USING (run_id, node_id)
    GROUP BY test_id, variant, capabilities
    QUALIFY count(*) OVER (PARTITION BY test_id, variant) > 1
"""


@dataclass(frozen=True, slots=True)
class MeasuredDurations:
    """Medians of recent clean attempts, in seconds.

    Attributes:
        seconds: by (test id, variant).
        by_class: for tests that ran on nodes with different capabilities, by test and by
            the key of the capabilities (`requirement_key`).
    """

    seconds: dict[Key, float]
    by_class: dict[Key, dict[Hashable, float]]


def measured_durations(database: Database, lineage: Lineage, limit: int = 10) -> MeasuredDurations:
    """What the last `limit` clean attempts of each test took in runs of this lineage; nothing without a database."""
    if not database.path.exists():
        return MeasuredDurations({}, {})
    with database.read() as connection:
        parameters = [*lineage.parameters, limit]
        rows = connection.execute(_OVERALL, parameters).fetchall()
        seconds = {(test_id, variant): value for test_id, variant, value in rows}
        return MeasuredDurations(seconds, _by_class(connection, parameters))


def _by_class(connection: Connection, parameters: list[object]) -> dict[Key, dict[Hashable, float]]:
    found: dict[Key, dict[Hashable, float]] = {}
    classes: dict[str, Hashable] = {}
    for test_id, variant, capabilities, value in connection.execute(_BY_CLASS, parameters).fetchall():
        if capabilities not in classes:
            classes[capabilities] = requirement_key(json.loads(capabilities or "{}"))
        found.setdefault((test_id, variant), {})[classes[capabilities]] = value
    return found
