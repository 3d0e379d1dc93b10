"""What `pulseq doctor` tells of a state directory: whose it is, who may look into it, and of its database."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from pulseq.errors import PulseqError
from pulseq.ownership import refuse_foreign_in
from pulseq.results.database import DATABASE_NAME, Database, DatabaseBusyError
from pulseq.standing.findings import Finding, Grade

_PATIENCE_SECONDS = 1.0


def examine_home(home: Path) -> Finding:
    """The directory itself: its owner and its mode."""
    try:
        refuse_foreign_in(home)
    except PulseqError as error:
        return Finding("state", Grade.BAD, f"{home}: of somebody else", str(error))
    if not home.exists():
        return Finding("state", Grade.OK, f"{home}: not there yet, the first run makes it")
    if not home.is_dir():
        return Finding("state", Grade.BAD, f"{home}: no directory", "move it away, or set PULSEQ_HOME to another place")
    mode = stat.S_IMODE(home.stat().st_mode)
    told = f"{home}: mode {mode:03o}, {_count_runs(home)} runs"
    if mode & 0o022:
        return Finding("state", Grade.BAD, told, f"others may write in it, and so run code as you: `chmod 700 {home}`")
    if mode & 0o077:
        return Finding("state", Grade.ATTENTION, told, f"others may read in it: `chmod 700 {home}`")
    return Finding("state", Grade.OK, told)


def examine_database(home: Path) -> Finding:
    """The results: whether they can be read, or who keeps them open."""
    path = home / DATABASE_NAME
    if not path.exists():
        return Finding("database", Grade.OK, f"{path}: not there yet")
    told = f"{path}: {path.stat().st_size / 1e6:.1f} MB"
    try:
        with Database(path, patience_seconds=_PATIENCE_SECONDS).look() as connection:
            row = connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
    except DatabaseBusyError as error:
        who = ", ".join(_find_holders(path)) or "a process that we may not look at"
        return Finding("database", Grade.ATTENTION, f"{told}, held by {who}", str(error))
    except PulseqError as error:
        return Finding("database", Grade.BAD, told, str(error))
    if row is None or not row[0]:
        return Finding("database", Grade.ATTENTION, f"{told}, without a table", "`pulseq results sync` makes it anew")
    return Finding("database", Grade.OK, f"{told}, can be read")


def _find_holders(path: Path) -> Iterator[str]:
    """Processes that have the file open, by name and number: their arguments may be nobody's business."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(file.path == str(path) for file in process.open_files()):
                yield f"{process.name()} ({process.pid})"


def _count_runs(home: Path) -> int:
    try:
        return len(os.listdir(home / "runs"))
    except OSError:
        return 0
