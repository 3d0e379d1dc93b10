"""A slice of a journal on its way into the stage tables: DuckDB reads the lines, Python what is out of the ordinary.

DuckDB reads the events of tests as JSON from files in memory, one for each kind, strictly. Python reads the
events of runs and nodes, and replays the tests whose events in this slice depend on their order. Where DuckDB
cannot read a slice, or reads a value that this version does not know, Python reads all of it: it knows which
lines to leave out.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from pulseq.events import EntryCollected, PrefectRunKnown, RunFinished, RunStarted, SessionFinished, TestExpanded
from pulseq.models import Reason, Status
from pulseq.results.codec import DamagedLine, Entry, decode_line
from pulseq.results.database import Connection, DuckDBError, append_rows
from pulseq.results.schema_files import schema_script
from pulseq.results.slices import Slice, seq_of
from pulseq.results.staging import Batch, clean, json_text

#: Half of a surrogate pair without the other one, which no database holds; some whole pairs match as well.
_LONE_SURROGATE = re.compile(rb"(?<!\\ud[89ab]..)\\ud[c-f]|\\ud[89ab]..(?!\\ud[c-f])")

_FIELD = re.compile(r"[a-z_][a-z0-9_]*")
_OF_THE_RUN = (RunStarted, PrefectRunKnown, RunFinished, EntryCollected, SessionFinished)


class UnreadableLinesError(Exception):
    """DuckDB cannot read a slice, which ends at byte `end`, in full."""

    def __init__(self, end: int) -> None:
        super().__init__(f"lines before byte {end} of the journal cannot be read in bulk")
        self.end = end


class BulkBatch:
    """What is taken in at once.

    Args:
        part: lines of one journal.
        slow: have Python read all of them.

    Attributes:
        odd: what Python has read of it, known after `stage`.
        entries: events that were understood.
        damaged: lines that were torn, turned or not understood.
        tables: the stage tables that Python has put rows into, known after `stage`.
    """

    def __init__(self, part: Slice, *, slow: bool) -> None:
        self.odd = Batch()
        self.damaged = part.damaged
        self.tables: set[str] = set()
        self._end = part.end
        self._lines = {kind: [] if slow else lines for kind, lines in part.tests.items()}
        self._entries = list(self._decode(part.lines if slow else part.others))
        self._read_by_duckdb = sum(map(len, self._lines.values()))

    @property
    def entries(self) -> int:
        return self.odd.entries + self._read_by_duckdb

    @property
    def tells_of_the_run_alone(self) -> bool:
        """Whether there is nothing in it of tests or nodes."""
        return not self._read_by_duckdb and all(isinstance(entry.event, _OF_THE_RUN) for entry in self._entries)

    def read(self) -> None:
        """Take in what Python has read, in the order of the journal."""
        for entry in sorted(self._entries, key=_by_number):
            self.odd.add(entry)

    def stage(self, connection: Connection) -> None:
        """Fill the stage tables.

        Raises:
            UnreadableLinesError: DuckDB cannot read the lines, or not all of them; the transaction is void.
        """
        connection.execute(schema_script("stage.sql"))
        self._read_lines(connection)
        expanded = [entry.event for entry in self._entries if isinstance(entry.event, TestExpanded)]
        if expanded:
            keys = [(clean(event.test_id), clean(event.variant)) for event in expanded]
            append_rows(connection, "stage_expanded", keys)
            self.tables.add("stage_expanded")
        self._entries += self._take_out_odd_tests(connection)
        self.read()
        for table, rows in self.odd.rows():
            if table != "stage_expanded":
                append_rows(connection, table, rows)
                self.tables.add(table)

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
                connection.execute(schema_script("bulk.sql"))
                ((understood,),) = connection.execute(_UNDERSTOOD, [[*Status], [*Reason]]).fetchall()
            except DuckDBError as error:
                raise UnreadableLinesError(self._end) from error
        if understood != self._read_by_duckdb:
            raise UnreadableLinesError(self._end)

    def _take_out_odd_tests(self, connection: Connection) -> Iterator[Entry]:
        connection.execute(schema_script("odd.sql"))
        odd = {seq for (seq,) in connection.execute("FROM odd_lines").fetchall()}
        self._read_by_duckdb -= len(odd)
        if not odd:
            return iter(())
        connection.execute(schema_script("odd_out.sql"))
        return self._decode(line for lines in self._lines.values() for line in lines if seq_of(line) in odd)

    def _decode(self, lines: Iterable[bytes]) -> Iterator[Entry]:
        for line in lines:
            try:
                yield decode_line(line)
            except DamagedLine:
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


def _by_number(entry: Entry) -> int:
    return entry.seq


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
