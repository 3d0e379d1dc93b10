"""SQL that anybody wrote, run where it can do no harm.

A read-only connection alone guards nothing: a CTE may hold COPY and is a SELECT all the same. So the
query runs in a process of its own (`sandbox_child`), on a connection that reaches no file and cannot
be reconfigured, under limits of the operating system, and it is killed when its time is over.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulseq.errors import InfrastructureError, PulseqError, SchemaVersionError, UsageError
from pulseq.results.database import DatabaseBusyError, DatabaseDamagedError, no_database
from pulseq.results.formats import visible
from pulseq.results.regular_file import expect_file
from pulseq.results.table import Table, WiredRows

#: Bytes that an answer may take on its way, and here: it is kept as it comes.
MAX_ANSWER_BYTES = 256 << 20
MAX_ROWS = 5_000_000
#: How a line with rows begins; nothing else that the child says does.
_ROWS = re.compile(rb'\{"count": (\d+), "rows": ')

_ERRORS: dict[str, type[PulseqError]] = {
    error.__name__: error
    for error in (
        PulseqError,
        UsageError,
        SchemaVersionError,
        InfrastructureError,
        DatabaseBusyError,
        DatabaseDamagedError,
    )
}


def run_sql(
    database_path: Path,
    query: str,
    *,
    timeout_seconds: float,
    max_rows: int | None = None,
    patience_seconds: float = 10.0,
) -> Table:
    """The answer to one query (SELECT, FROM, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN) on a database file.

    Args:
        database_path: the file; runs may write to it at the same time.
        query: one statement.
        timeout_seconds: how long the query may run once the file is open.
        max_rows: rows to give back at most; None for all.
        patience_seconds: how long to try while a writer holds the file.

    Raises:
        UsageError: no such database; not one query; DuckDB refused it; it took too long or too much.
        SchemaVersionError: a newer PulseQ or DuckDB wrote the file.
        DatabaseBusyError: the file stayed locked.
        DatabaseDamagedError: the file is damaged.
    """
    if not database_path.exists():
        raise no_database(database_path)
    expect_file(database_path, "the database", "--db names another")
    request = {
        "path": str(database_path),
        "query": query.encode("utf-8", "backslashreplace").decode(),
        "max_rows": max_rows,
        "timeout_seconds": timeout_seconds,
        "patience_seconds": patience_seconds,
    }
    with _child() as child:
        answer = _QueryAnswer(child, timeout_seconds)
        try:
            _send(child, request)
            answer.read()
        finally:
            answer.stop_clock()
    return answer.table()


@contextmanager
def _child() -> Iterator[subprocess.Popen[bytes]]:
    """The process of one query, in a session of its own, gone at the end of the block whatever happens."""
    command = [sys.executable, "-P", "-m", "pulseq.results.sandbox_child"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def _send(child: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    """Hand the request over; the pipe stays open, as its end tells the child to die."""
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:  # it died before it read: what it said, or how it ended, tells why
        with suppress(BrokenPipeError):
            child.stdin.close()


@dataclass(slots=True)
class _QueryAnswer:
    """What the child says, line by line, until it is done, fails, dies, or its time is over."""

    child: subprocess.Popen[bytes]
    timeout_seconds: float
    head: dict[str, Any] | None = None
    lines: list[bytes] = field(default_factory=list)
    row_count: int = 0
    truncated: bool | None = None
    out_of_time: bool = False
    bytes_read: int = 0
    last_words: str = ""
    clock: threading.Timer | None = None

    def read(self) -> None:
        assert self.child.stdout is not None
        # Not one byte more than is allowed: a single line might be longer than that.
        while line := self.child.stdout.readline(MAX_ANSWER_BYTES - self.bytes_read + 1):
            self.bytes_read += len(line)
            if self.bytes_read > MAX_ANSWER_BYTES:
                raise UsageError(
                    f"the answer is larger than {MAX_ANSWER_BYTES >> 20} MB: ask for fewer rows or columns"
                )
            self._take(line)
            if self.truncated is not None:
                return

    def table(self) -> Table:
        """The whole answer, or the error that tells why there is none."""
        if self.head is not None and self.truncated is not None:
            rows = WiredRows(self.lines, self.row_count)
            return Table(tuple(self.head["columns"]), tuple(self.head["types"]), rows, self.truncated)
        if self.out_of_time:
            raise UsageError(
                f"the query took longer than {self.timeout_seconds:g} s and was ended: "
                "narrow it down (a run_id, a LIMIT), or give it more time"
            )
        raise self._death()

    def stop_clock(self) -> None:
        if self.clock:
            self.clock.cancel()

    def _take(self, line: bytes) -> None:
        if rows := _ROWS.match(line):  # read when they are needed
            self.lines.append(line)
            self.row_count += int(rows[1])
            if self.row_count > MAX_ROWS:
                raise UsageError(f"the answer has more than {MAX_ROWS:,} rows: ask for fewer (a run_id, a LIMIT)")
            return
        try:
            message = json.loads(line)
        except ValueError:
            self.last_words = line.decode("utf-8", "backslashreplace").strip() or self.last_words
            return
        match message:
            case {"opened": True}:
                self._start_clock()
            case {"columns": _, "types": _}:
                self.head = message
            case {"truncated": bool() as truncated}:
                self.truncated = truncated
            case {"error": str() as text, "kind": str() as kind}:
                raise _ERRORS.get(kind, PulseqError)(visible(text))

    def _start_clock(self) -> None:
        self.clock = threading.Timer(self.timeout_seconds, self._end)
        self.clock.daemon = True
        self.clock.start()

    def _end(self) -> None:
        self.out_of_time = True
        self.child.kill()

    def _death(self) -> PulseqError:
        code = self.child.wait()
        if code < 0:
            return UsageError(
                f"the query was ended by {signal.Signals(-code).name}: it took too much memory or processor time; "
                "narrow it down (a run_id, a LIMIT)"
            )
        return PulseqError(f"the query's process ended with code {code} and no answer: {self.last_words}")
