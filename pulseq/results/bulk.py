"""A slice of a journal on its way into the stage tables: DuckDB reads the events of tests, Python all others.

DuckDB reads lines as JSON from files in memory, one for each kind of event, strictly. Where it cannot read a slice,
or reads a value that this version does not know, Python goes over all of it first: it knows which lines to leave out.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from pulseq.models import Reason, Status
from pulseq.results.codec import DamagedLine, JournalEntry, decode_line, encode_line
from pulseq.results.database import Connection, DuckDBError, append_rows
from pulseq.results.schema_files import schema_script
from pulseq.results.slices import Slice
from pulseq.results.staging import RunEvents, json_text

#: Half of a surrogate pair without the other one, which no database holds; some whole pairs match as well.
_LONE_SURROGATE = re.compile(rb"(?<!\\ud[89ab]..)\\ud[c-f]|\\ud[89ab]..(?!\\ud[c-f])")

_FIELD = re.compile(r"[a-z_][a-z0-9_]*")


class UnreadableLinesError(Exception):
    """DuckDB cannot read a slice, which ends at byte `end`, in full."""

    def __init__(self, end: int) -> None:
        super().__init__(f"lines before byte {end} of the journal cannot be read in bulk")
        self.end = end


class BulkBatch:
    """What is taken in at once.

    Args:
        part: lines of one journal.
        slow: have Python look at each line first, and leave out what it does not understand.

    Attributes:
        told: what Python has read: the events of the run and of nodes.
        damaged: lines that were torn, turned or not understood.
    """

    def __init__(self, part: Slice, *, slow: bool) -> None:
        self.told = RunEvents()
        self.damaged = part.damaged
        self._end = part.end
        self._slow = slow
        self._lines = {kind: list(self._understood(lines)) if slow else lines for kind, lines in part.tests.items()}
        self._read_by_duckdb = sum(map(len, self._lines.values()))
        for entry in self._decode(part.others):
            self.told.add(entry)

    @property
    def entries(self) -> int:
        """Events that were understood."""
        return self.told.entries + self._read_by_duckdb

    @property
    def tells_of_the_run_alone(self) -> bool:
        """Whether there is nothing in it of tests or nodes."""
        return not self._read_by_duckdb and not self.told.rows

    def stage(self, connection: Connection) -> None:
        """Fill the stage tables.

        Raises:
            UnreadableLinesError: DuckDB cannot read the lines, or not all of them; the transaction is void.
        """
        connection.execute(schema_script("stage.sql"))
        self._read_lines(connection)
        for table, rows in self.told.rows.items():
            append_rows(connection, table, rows)
        connection.execute(schema_script("odd.sql"))
        if connection.execute("FROM odd_keys LIMIT 1").fetchall():
            connection.execute(schema_script("settle.sql"))

    def _read_lines(self, connection: Connection) -> None:
        with ExitStack() as files:
            for kind, lines in self._lines.items():
                path = files.enter_context(_file_of(lines))
                connection.execute(f"SET VARIABLE {kind.decode()} = ?", [path])
            usual = _usual_metrics(self._lines[b"attempt_finished"])
            connection.execute("SET VARIABLE usual_metrics = ?", [usual])
            connection.execute("SET VARIABLE usual_types = ?", [json.dumps(dict.fromkeys(usual, "DOUBLE"))])
            longest = max((max(map(len, lines), default=0) for lines in self._lines.values()), default=0)
            connection.execute("SET VARIABLE longest_line = ?", [max(longest + 1, 1 << 18)])
            try:
                connection.execute(schema_script("read_events.sql"))
                ((understood,),) = connection.execute(_UNDERSTOOD, [[*Status], [*Reason]]).fetchall()
            except DuckDBError as error:
                if self._slow:
                    raise
                raise UnreadableLinesError(self._end) from error
        if understood != self._read_by_duckdb and not self._slow:
            raise UnreadableLinesError(self._end)

    def _decode(self, lines: Iterable[bytes]) -> Iterator[JournalEntry]:
        for line in lines:
            try:
                yield decode_line(line)
            except DamagedLine:
                self.damaged += 1

    def _understood(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Lines of events that Python has understood, as this version writes them."""
        for entry in self._decode(lines):
            try:
                yield encode_line(entry.seq, entry.time, entry.event).removesuffix(b"\n")
            except (TypeError, ValueError):  # a metric that is no number, for one
                self.damaged += 1


@contextmanager
def _file_of(lines: list[bytes]) -> Iterator[str]:
    """The path of a file that only memory has, and that is gone with this process at the latest."""
    content = b"\n".join(lines)
    if b"\\ud" in content:
        content = b"\n".join(map(_cleaned, lines))
    descriptor = os.memfd_create("pulseq-lines")
    try:
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _usual_metrics(lines: list[bytes]) -> list[str]:
    """The metrics of the first result, where they can be the fields of a struct, else those of a body that has none."""
    try:
        names = list(json.loads(lines[0])["data"]["result"]["metrics"])
    except (LookupError, ValueError, TypeError):
        names = []
    # Fields may not differ by their case alone.
    return names if names and all(map(_FIELD.fullmatch, names)) else ["duration"]


def _cleaned(line: bytes) -> bytes:
    return json_text(json.loads(line)).encode() if _LONE_SURROGATE.search(line) else line


#: How many lines have all that they must have, and no word that this version does not know.
_UNDERSTOOD = """
SELECT
    (SELECT count(*) FROM stage_tests WHERE
        seq + length(test_id) + length(variant) + length(name) + length(body) + length(priority) IS NOT NULL)
    + (SELECT count(*) FROM stage_started WHERE
        seq + length(test_id) + length(variant) + attempt + length(node_id) IS NOT NULL)
    + (SELECT count(*) FROM stage_attempts WHERE
        seq + length(test_id) + attempt + length(node_id) IS NOT NULL
        AND list_contains($1, status) AND (reason IS NULL OR list_contains($2, reason)))
    + (SELECT count(*) FROM stage_verdicts WHERE
        seq + length(test_id) + length(variant) + attempts IS NOT NULL AND flaky IS NOT NULL
        AND list_contains($1, status) AND (reason IS NULL OR list_contains($2, reason)))
"""
