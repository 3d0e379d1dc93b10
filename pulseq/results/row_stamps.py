"""How many rows a run has in the tables and a checksum of them: what is written down when it was taken in whole.

A client may change rows of a database at any time. Rows that differ from what was written down are not believed:
they are taken in again from their journal.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulseq.results.database import Connection
from pulseq.results.journal_mark import JournalMark

#: The tables that hold rows of runs, besides `journals`.
TABLES = (
    "runs",
    "run_notes",
    "nodes",
    "node_health",
    "node_marks",
    "tests",
    "running",
    "attempts",
    "late_attempts",
    "verdicts",
    "collections",
    "sessions",
    "artifacts",
)
_ROWS = " UNION ALL ".join(f"SELECT run_id, hash('{table}', r) AS row_hash FROM {table} AS r" for table in TABLES)
#: DuckDB may hash otherwise in another version: the checksum says which one it is of.
_STAMPS = f"""
SELECT run_id, count(*) AS rows_count, version() || ' ' || sum(row_hash)::VARCHAR AS rows_checksum
FROM ({_ROWS}) WHERE run_id IS NOT NULL
"""
_STAMP = f"""
UPDATE journals SET rows_count = s.rows_count, rows_checksum = s.rows_checksum
FROM ({_STAMPS} AND run_id = $1 GROUP BY run_id) AS s WHERE journals.run_id = s.run_id
"""
_PLACE = """
INSERT INTO journals (run_id, end_offset, damaged_lines, first_line) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    end_offset = excluded.end_offset, damaged_lines = journals.damaged_lines + excluded.damaged_lines,
    first_line = excluded.first_line, rows_count = NULL, rows_checksum = NULL
"""
_COMPARE = f"""
SELECT
    coalesce(j.run_id, s.run_id),
    j.rows_checksum IS NULL OR split_part(j.rows_checksum, ' ', 1) <> version()
FROM (FROM journals WHERE NOT starts_with(run_id, $1)) AS j
FULL JOIN ({_STAMPS} GROUP BY run_id) AS s ON s.run_id = j.run_id
WHERE j.rows_count IS DISTINCT FROM s.rows_count OR j.rows_checksum IS DISTINCT FROM s.rows_checksum
"""


@dataclass(frozen=True, slots=True)
class Doubts:
    """The runs whose rows cannot be vouched for.

    Attributes:
        changed: somebody has changed rows of theirs.
        unstamped: nothing was written down: they had not ended, or an older version took them in.
    """

    changed: frozenset[str]
    unstamped: frozenset[str]


def note_place(connection: Connection, key: str, mark: JournalMark, end_offset: int, damaged_lines: int) -> None:
    """Write down how far a journal has been taken in, and with how many more damaged lines."""
    connection.execute(_PLACE, [key, end_offset, damaged_lines, mark.first_line])


def stamp_rows(connection: Connection, run_id: str) -> None:
    """Write down what the rows of a run are."""
    connection.execute(_STAMP, [run_id])


def find_doubts(connection: Connection, *, but_for: str) -> Doubts:
    """Compare all rows with what was written down; journals whose key begins with `but_for` are no runs."""
    found = connection.execute(_COMPARE, [but_for]).fetchall()
    changed = frozenset(run_id for run_id, unstamped in found if not unstamped)
    return Doubts(changed, frozenset(run_id for run_id, _ in found) - changed)
