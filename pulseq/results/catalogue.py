"""Whether a database file has all tables and views that are to be in it: any client may drop or change them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from pulseq.errors import UsageError
from pulseq.results.database import (
    SCHEMA_VERSION,
    Connection,
    Database,
    check_version,
    connect_memory,
)
from pulseq.results.schema_files import apply_versions, make_views

_TABLES = """
SELECT table_name, list(column_name || ' ' || data_type ORDER BY column_index)
FROM duckdb_columns()
WHERE NOT internal AND database_name = current_database()
    AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
GROUP BY table_name
"""
_VIEWS = "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database()"


def find_lack(database: Database, *, may_be_foreign: bool = True) -> str | None:
    """What the tables of a file lack of what they are to be, in a few words; None for a sound file, or a new one.

    Raises as `Database.read` does, and
        UsageError: it has none of our tables but others, and is not to be foreign.
    """
    with database.look() as connection:
        tables = dict(connection.execute(_TABLES).fetchall())
        version = check_version(connection, database.path)
    wanted, views = _wanted_tables(version or SCHEMA_VERSION), _wanted_views()
    if tables.keys().isdisjoint(wanted):
        if tables and not may_be_foreign:
            raise UsageError(f"the database {str(database.path)!r} is none of PulseQ's: --db names another")
        return None  # nothing of ours is in it yet
    if missing := sorted(wanted.keys() - tables.keys()):
        return f"has no table {', '.join(missing)}"
    if other := sorted(name for name, columns in wanted.items() if tables[name] != columns):
        return f"has other columns in {', '.join(other)}"
    if misplaced := sorted(views.keys() & tables.keys()):
        return f"has a table where a view is to be: {', '.join(misplaced)}"
    return None if version else "does not tell the version of its schema"


def mend_views(database: Database) -> bool:
    """Make the views anew where one of them is not as it is to be; whether that was so.

    Raises as `Database.write` does.
    """
    wanted = _wanted_views()
    with database.write() as connection:
        found = dict(connection.execute(_VIEWS).fetchall())
        if all(found.get(name) == sql for name, sql in wanted.items()):
            return False
        for name in wanted:
            connection.execute(f"DROP VIEW IF EXISTS {name}")
        make_views(connection)
    return True


@functools.cache
def _wanted_tables(version: int) -> Mapping[str, list[str]]:
    """Columns of the tables of a version, as DuckDB tells them: from a database made to ask it."""
    with _database_of(version) as connection:
        return dict(connection.execute(_TABLES).fetchall())


@functools.cache
def _wanted_views() -> Mapping[str, str]:
    """Texts of the views, in the same way."""
    with _database_of(SCHEMA_VERSION) as connection:
        make_views(connection)
        return dict(connection.execute(_VIEWS).fetchall())


@contextmanager
def _database_of(version: int) -> Iterator[Connection]:
    with closing(connect_memory()) as connection:
        apply_versions(connection, 0, version)
        yield connection
