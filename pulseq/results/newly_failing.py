"""Which tests fail that did not fail before."""

from __future__ import annotations

from collections.abc import Collection

from pulseq.models import Key
from pulseq.results.database import Database
from pulseq.results.lineage import SAME_LINEAGE, Lineage

_PASSED_BEFORE = f"""
    SELECT test_id, variant
    FROM (
        SELECT v.test_id, v.variant, v.status
        FROM verdicts AS v JOIN runs AS r USING (run_id)
        WHERE {SAME_LINEAGE} AND r.run_id <> $3 AND list_contains($4, v.test_id)
            AND v.reason IS DISTINCT FROM 'node_lost' AND v.reason IS DISTINCT FROM 'cancelled'
        QUALIFY row_number() OVER (PARTITION BY v.test_id, v.variant ORDER BY r.started_at DESC) = 1
    )
    WHERE status = 'passed'
"""


def newly_failing(database: Database, lineage: Lineage, run_id: str, failed: Collection[Key]) -> list[Key]:
    """Those of the failed tests of a run that passed when its project last had a verdict of their own for them.

    Verdicts that the infrastructure gave are passed over. Without history nothing is new.

    Raises:
        PulseqError: the database is busy, damaged or too new.
    """
    if not failed or not database.path.exists():
        return []
    with database.read() as connection:
        test_ids = sorted({test_id for test_id, _ in failed})
        rows = connection.execute(_PASSED_BEFORE, [*lineage.parameters, run_id, test_ids]).fetchall()
    passed = {(str(test_id), str(variant)) for test_id, variant in rows}
    return [key for key in failed if key in passed]
