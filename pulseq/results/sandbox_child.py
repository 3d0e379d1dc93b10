"""The process of one foreign query: `python -m pulseq.results.sandbox_child`.

Reads one request as a JSON line from standard input and answers with JSON lines: `opened`, then
`columns` and `types`, `count` and `rows` again and again, and `truncated` at the end; or `error` and `kind`.
The end of its standard input means that whoever asked is gone, and ends it at once.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pulseq.errors import PulseqError, UsageError
from pulseq.results.database import (
    Connection,
    DuckDBError,
    check_version,
    connect_caged,
    first_line,
    without_end,
    worded,
)
from pulseq.results.exact_types import as_iso, exact_columns, text_type
from pulseq.results.table import to_wire

MEMORY_LIMIT_BYTES = 1 << 30
#: Address space: DuckDB's memory, its allocator's reserves and the stacks of its threads.
ADDRESS_SPACE_BYTES = MEMORY_LIMIT_BYTES + (4 << 30)
ROWS_PER_LINE = 500
BYTES_PER_LINE = 1 << 20
#: Kinds of statements that only ask.
QUESTIONS = frozenset({"SELECT", "EXPLAIN", "MULTI"})

#: Has DuckDB import what it turns values with, as long as files can be opened.
_EVERY_CONVERSION = "SELECT now(), 1.5, uuid(), current_date, TIME '12:00', INTERVAL 1 DAY, MAP {'a': 1}, [1]"


def main() -> int:
    """Answer one request; 0 when it was answered, with an error or without."""
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _answer(request)
    except PulseqError as error:
        _say({"error": str(error), "kind": type(error).__name__})
    return 0


def _answer(request: dict[str, Any]) -> None:
    connection = _open(Path(request["path"]), request["patience_seconds"])
    _limit_process(request["timeout_seconds"])
    _say({"opened": True})
    try:
        columns, types, batches = _ask(connection, _one_question(connection, request["query"]))
        _say({"columns": columns, "types": [str(kind) for kind in types]})
        _say({"truncated": _send_rows(batches, types, request["max_rows"])})
    except DuckDBError as error:
        raise UsageError(_refusal(error)) from error
    except (ValueError, OverflowError) as error:
        raise UsageError(f"a value in the answer cannot be shown, cast it to VARCHAR: {error}") from error


def _open(path: Path, patience_seconds: float) -> Connection:
    deadline = time.monotonic() + patience_seconds
    try:
        connection = connect_caged(path, deadline=deadline, memory_limit_bytes=MEMORY_LIMIT_BYTES)
        check_version(connection, path)
        connection.execute(_EVERY_CONVERSION).fetchall()
        connection.sql(without_end(_EVERY_CONVERSION)).project("#1").fetchall()
    except DuckDBError as error:
        raise worded(error, path) from error
    return connection


def _limit_process(timeout_seconds: float) -> None:
    """Limits of the operating system, as a second wall: no new file, no longer file, no endless hunger."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    processor_seconds = math.ceil(timeout_seconds * (os.cpu_count() or 1)) + 5
    limits = {
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: processor_seconds,
        resource.RLIMIT_AS: ADDRESS_SPACE_BYTES,
    }
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))


def _one_question(connection: Connection, query: str) -> Any:
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise UsageError(f"found {len(statements)} statements in the query, expected one")
    kind = statements[0].type.name
    if kind not in QUESTIONS:
        raise UsageError(f"found a statement of type {kind}, expected a query: results are only read here")
    return statements[0]


def _ask(connection: Connection, question: Any) -> tuple[list[str], list[Any], Iterator[list[tuple[Any, ...]]]]:
    """The names and types of a question's columns, and its rows, times and intervals among these as text."""
    kind, text = question.type.name, question.query
    if kind != "EXPLAIN":
        answer = connection.sql(question)  # a SELECT does not run yet
        columns, types = list(answer.columns), list(answer.types)
        wanted = exact_columns(types)
        if wanted is not None and kind == "SELECT":
            connection.execute(f"SELECT {wanted} FROM (\n{without_end(text)}\n) AS answer")
            return columns, types, _batches(connection)
        if wanted is not None:  # a PIVOT, which can be no part of another query
            return columns, types, iter([answer.project(wanted).fetchall()])
    connection.execute(question)
    description = connection.description or []
    return [column[0] for column in description], [column[1] for column in description], _batches(connection)


def _batches(connection: Connection) -> Iterator[list[tuple[Any, ...]]]:
    while rows := connection.fetchmany(ROWS_PER_LINE):
        yield rows


def _send_rows(batches: Iterable[list[tuple[Any, ...]]], types: Sequence[Any], max_rows: int | None) -> bool:
    """Send the rows, `max_rows` at most; whether there were more."""
    left = math.inf if max_rows is None else max_rows
    casts = [(number, kind) for number, kind in enumerate(types) if text_type(kind) is not None]
    for rows in batches:
        told = [list(row) for row in (rows if len(rows) <= left else rows[: int(left)])]
        for number, kind in casts:
            for row in told:
                row[number] = as_iso(row[number], kind)
        if told:
            _say_rows([list(map(to_wire, row)) for row in told])
        if len(rows) > left:
            return True
        left -= len(rows)
    return False


def _say_rows(rows: list[list[object]]) -> None:
    """Say rows, in lines that are hardly longer than `BYTES_PER_LINE`: whoever reads one has it in memory thrice."""
    said = json.dumps(rows).encode("ascii")
    if len(said) > BYTES_PER_LINE and len(rows) > 1:
        half = len(rows) // 2
        _say_rows(rows[:half])
        _say_rows(rows[half:])
    else:
        _say_line(b'{"count": %d, "rows": %b}' % (len(rows), said))


def _refusal(error: DuckDBError) -> str:
    """DuckDB's complaint in one line, with the name that it thinks was meant."""
    hints = [
        line.strip() for line in str(error).splitlines() if line.startswith(("Did you mean", "Candidate bindings"))
    ]
    return " ".join(["the query cannot be answered:", first_line(error), *hints])


def _say(message: dict[str, Any]) -> None:
    _say_line(json.dumps(message).encode("ascii"))


def _say_line(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _die_with_parent() -> None:
    while sys.stdin.buffer.read(4096):
        continue
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
