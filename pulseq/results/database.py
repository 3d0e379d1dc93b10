"""DuckDB, and the only file that knows it: short connections, the schema, damage and locks.

A process that has the file open for writing keeps every other out, readers too, and a reader keeps
writers out. So a connection is opened late and closed at once, and whoever finds the file locked
tries again after a short random pause. The file is a view of the journals: a damaged one is set
aside and rebuilt, not trusted.
"""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from pulseq.errors import InfrastructureError, PulseqError, SchemaVersionError, UsageError
from pulseq.ownership import FILE_MODE, make_own_directory
from pulseq.results.lock_holder import name_holder
from pulseq.results.regular_file import expect_file
from pulseq.results.schema_files import apply_versions, make_views

#: Named in a string: a process that ends with something of this module still in use (Prefect's threads keep a
#: flow's code) would keep the class alive, and DuckDB's extension would tell some fifty lines of what had leaked.
Connection: TypeAlias = "duckdb.DuckDBPyConnection"
#: Base of what DuckDB raises.
DuckDBError: TypeAlias = duckdb.Error

#: The version of the schema that this PulseQ writes, and the highest that it reads.
SCHEMA_VERSION = 6
DATABASE_NAME = "results.duckdb"
#: Seconds between two tries at a locked file: at least, at most.
RETRY_PAUSE = (0.005, 0.05)
#: Rows that a table keeps together. Closing writes the last, partly filled group of each table again, and
#: whole groups go to the file before the commit: small ones make both cheap. DuckDB's own size is 122,880.
ROW_GROUP_SIZE = 10_240
#: What a database in memory may take of it.
MEMORY_BYTES = 256 << 20

_LOCKED = ("Could not set lock on file", "different configuration than existing connections")
_NEWER_FORMAT = ("database file with version number", "newer version of DuckDB", "storage version")
_DAMAGED = ("not a valid DuckDB database file", "Corrupt database", "computed checksum", "Could not read enough bytes")
_NO_SPACE = ("No space left on device", "File too large", "Disk quota exceeded")
#: Within a process DuckDB shares one instance per file, with one configuration: one connection at a time.
_one_at_a_time = threading.Lock()


class DatabaseBusyError(InfrastructureError):
    """Another process held the database for longer than our patience.

    Attributes:
        holder: who holds it, for a person.
    """

    def __init__(self, message: str, holder: str = "another process") -> None:
        super().__init__(message)
        self.holder = holder


class DatabaseDamagedError(InfrastructureError):
    """The database file cannot be believed; the journals can rebuild it."""


class Database:
    """The results of many runs in one DuckDB file.

    Args:
        path: the file; it and its directory are made by the first write.
        patience_seconds: how long to try while another process holds the file.
    """

    def __init__(self, path: Path, *, patience_seconds: float = 5.0) -> None:
        self.path = path
        self.patience_seconds = patience_seconds

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only connection, closed at the end of the block; a file of an older version is brought to this one.

        Raises:
            UsageError: there is no such file.
            SchemaVersionError: a newer PulseQ or DuckDB wrote it.
            DatabaseBusyError: it stayed locked.
            DatabaseDamagedError: it is damaged.
        """
        with self._connected(read_only=True) as connection:
            current = check_version(connection, self.path) in (0, SCHEMA_VERSION)
            if current:
                yield connection
        if not current:
            with self.write():
                pass
            with self._connected(read_only=True) as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection within one transaction, committed at the end of the block, undone by an error in it.

        The schema is made, or brought to this version, where it is not there yet. Raises as `read` does, and
            UsageError: the file cannot be written.
            InfrastructureError: the disk is full.
        """
        with self._connected(read_only=False) as connection:
            found = check_version(connection, self.path)
            connection.begin()
            try:
                if found != SCHEMA_VERSION:
                    apply_versions(connection, found, SCHEMA_VERSION)
                    make_views(connection)
                yield connection
                connection.commit()
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """As `read`, whatever the schema of the file is and whoever wrote it."""
        with self._connected(read_only=True) as connection:
            yield connection

    def check(self) -> None:
        """Read every row of every table, which checks the checksum of every block.

        Raises:
            DatabaseDamagedError: a part of the file is damaged. Other errors as `read` has them.
        """
        with self.look() as connection:
            tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
            for (table,) in tables:
                connection.execute(f'SELECT bit_xor(hash(whole)) FROM "{table}" AS whole').fetchall()

    def set_aside(self) -> Path | None:
        """Move a damaged file out of the way, and return its new place; None when it is not damaged any more.

        Several processes may find the damage at once: one moves the file, the others leave the new one alone.
        """
        with self._locked_for_moving() as still_there:
            if not still_there or not self._is_damaged():
                return None
            self._refuse_foreign()
            target = self._aside("damaged")
            wal = self.path.with_name(self.path.name + ".wal")
            if wal.exists():
                wal.rename(target.with_name(target.name + ".wal"))
            return self.path.rename(target)

    def put_aside(self, word: str) -> Path:
        """Move a sound file out of the way, and return its new place, which has `word` in its name.

        Raises as `read` does.
        """
        with self._connected(read_only=False) as connection:
            connection.execute("CHECKPOINT")  # so that nothing of it stands in a log beside it
            return self.path.rename(self._aside(word))

    def _aside(self, word: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{word}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")

    def _refuse_foreign(self) -> None:
        # What carries another name than a database's may be anything of the user's; it is not ours to move.
        if self.path.suffix not in (".duckdb", ".ddb", ".db"):
            raise UsageError(f"found {str(self.path)!r}, which is no DuckDB database; --db names another file")

    @contextmanager
    def _connected(self, *, read_only: bool) -> Iterator[Connection]:
        deadline = time.monotonic() + self.patience_seconds
        if not _one_at_a_time.acquire(timeout=max(self.patience_seconds, 0.0)):
            raise DatabaseBusyError(
                f"the database {str(self.path)!r} is held by another part of this process for over "
                f"{self.patience_seconds:g} s: try again"
            )
        try:
            connection = self._open(read_only=read_only, deadline=deadline)
            try:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection
            except duckdb.Error as error:
                raise worded(error, self.path) from error
            finally:
                _close(connection)
        finally:
            _one_at_a_time.release()

    def _open(self, *, read_only: bool, deadline: float) -> Connection:
        expect_file(self.path, "the database", "--db names another")
        if read_only and not self.path.exists():
            raise no_database(self.path)
        try:
            if read_only:
                return _connect_patiently(self.path, deadline=deadline)
            make_own_directory(self.path.parent)
            is_new = not self.path.exists()
            connection = _attach_patiently(self.path, deadline=deadline)
            if is_new:
                self.path.chmod(FILE_MODE)  # DuckDB makes it as the umask says, and takes no empty file for one
            return connection
        except duckdb.Error as error:
            raise worded(error, self.path) from error
        except OSError as error:
            raise UsageError(f"the database {str(self.path)!r} cannot be opened: {error.strerror}") from error

    @contextmanager
    def _locked_for_moving(self) -> Iterator[bool]:
        """Whether the file is still the one that we saw, while nobody else moves it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self.path.exists() and _same(descriptor, self.path)
        finally:
            os.close(descriptor)

    def _is_damaged(self) -> bool:
        try:
            self.check()
        except DatabaseDamagedError:
            return True
        return False


def _connect_patiently(path: Path, *, deadline: float, config: dict[str, Any] | None = None) -> Connection:
    """A connection to read by, tried for again while the file is locked, until the monotonic clock passes `deadline`.

    Raises:
        duckdb.Error: whatever DuckDB said last.
    """
    return _try_patiently(lambda: duckdb.connect(str(path), read_only=True, config=config or {}), deadline)


def _attach_patiently(path: Path, *, deadline: float) -> Connection:
    """A connection to write with, to a database in memory that has the file attached: only so can groups be small."""
    connection = duckdb.connect(":memory:", config={"temp_directory": f"{path}.tmp"})
    try:
        attach = "ATTACH '{}' AS pulseq_file (ROW_GROUP_SIZE {})".format(str(path).replace("'", "''"), ROW_GROUP_SIZE)
        _try_patiently(lambda: connection.execute(attach), deadline)
        connection.execute("USE pulseq_file")
    except BaseException:
        _close(connection)
        raise
    return connection


def _try_patiently(connect: Callable[[], Connection], deadline: float) -> Connection:
    while True:
        try:
            return connect()
        except duckdb.Error as error:
            if not _says(error, _LOCKED) or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(*RETRY_PAUSE))


def connect_caged(path: Path, *, deadline: float, memory_limit_bytes: int) -> Connection:
    """A connection for SQL that strangers wrote: it reads this one file, and reaches and changes nothing else.

    Raises:
        duckdb.Error: whatever DuckDB said last.
    """
    config = {
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
        "memory_limit": f"{memory_limit_bytes}B",
        "temp_directory": "",
    }
    connection = _connect_patiently(path, deadline=deadline, config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


def without_end(statement: str) -> str:
    """The text of one statement without the semicolon that ends it, and what may stand after that."""
    text = statement.encode()
    ends = (at for at, kind in duckdb.tokenize(statement) if text[at : at + 1] == b";" and "operator" in str(kind))
    return text[: next(ends, len(text))].decode()


def connect_memory() -> Connection:
    """A database of this process alone; what is more than `MEMORY_BYTES` goes to files in a directory of its own.

    DuckDB makes that directory when it needs it, and removes it when the connection is closed.
    """
    config: dict[str, Any] = {
        "memory_limit": f"{MEMORY_BYTES}B",
        "temp_directory": str(Path(tempfile.gettempdir(), f"pulseq-{secrets.token_hex(6)}")),
        "autoinstall_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def check_version(connection: Connection, path: Path) -> int:
    """The version of the schema in the file, 0 for none yet.

    Raises:
        SchemaVersionError: it is newer than this PulseQ.
    """
    found = _version_of(connection)
    if found > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the database {str(path)!r} has schema version {found}, this PulseQ knows up to version "
            f"{SCHEMA_VERSION}: use a PulseQ as new as that, or name another file with --db"
        )
    return found


def worded(error: duckdb.Error, path: Path) -> PulseqError:
    """The error of ours that says in one line what DuckDB ran into, and what to do."""
    name = repr(str(path))
    if _says(error, _LOCKED):
        holder = name_holder(str(error))
        told = f"the database {name} is held open by {holder}: close it there, then try again"
        return DatabaseBusyError(told, holder)
    if _says(error, _NEWER_FORMAT):
        return SchemaVersionError(f"the database {name} was written by a newer DuckDB: {first_line(error)}")
    if _says(error, _DAMAGED):
        return DatabaseDamagedError(
            f"the database {name} is damaged: `pulseq results sync` sets it aside and rebuilds it"
        )
    if _says(error, _NO_SPACE):
        return InfrastructureError(
            f"the database {name} cannot be written: free some space, then `pulseq results sync`"
        )
    if isinstance(error, duckdb.IOException):
        return UsageError(f"the database {name} cannot be opened: {first_line(error)}")
    if isinstance(error, (duckdb.CatalogException, duckdb.BinderException)):
        return UsageError(
            f"the database {name} is none of PulseQ's, or not a whole one: {first_line(error)}; "
            "`pulseq results sync` makes one of ours whole"
        )
    return PulseqError(f"the database {name}: {first_line(error)}")


def no_database(path: Path) -> UsageError:
    """The error for a database that nothing has been written to yet."""
    return UsageError(
        f"there is no database {str(path)!r} yet: `pulseq run` makes it, `pulseq results sync` rebuilds it "
        "from the journals, --db names another"
    )


def first_line(error: BaseException) -> str:
    """What an error says, without its kind, its quotation of the query and further advice."""
    return str(error).split("\n", 1)[0].strip()


def append_rows(connection: Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    """Put rows into a table the quickest way that DuckDB offers from plain Python values."""
    with connection.appender(table) as appender:
        appender.append_rows(rows)


def _version_of(connection: Connection) -> int:
    try:  # asking the catalogue whether the table is there takes ten times as long
        # All rows are fetched, always: an unfinished result blocks the connection.
        ((version,),) = connection.execute("SELECT max(version) FROM pulseq_schema").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return 0
    return int(version or 0)


def _roll_back(connection: Connection) -> None:
    try:
        connection.rollback()
    except duckdb.Error:
        return  # nothing was begun, or the connection is past use: closing it undoes the same


def _close(connection: Connection) -> None:
    try:
        connection.close()
    except duckdb.Error:
        return  # the checkpoint on closing failed: what was committed stands in the log beside the file


def _same(descriptor: int, path: Path) -> bool:
    return os.path.samestat(os.fstat(descriptor), os.stat(path))


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    return any(phrase in str(error) for phrase in phrases)
