"""Whether a database has the tables and views that it is to have."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.results.catalogue import find_lack, mend_views
from pulseq.results.database import Database


def _change(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.execute(statement)


def test_a_sound_file_lacks_nothing(database: Database) -> None:
    assert (None, False) == (find_lack(database), mend_views(database))


@pytest.mark.parametrize(
    ("statement", "lack"),
    [
        ("DROP TABLE attempts", "has no table attempts"),
        ("ALTER TABLE tests DROP COLUMN name", "has other columns in tests"),
        ("ALTER TABLE tests ADD COLUMN mine INTEGER", "has other columns in tests"),
        ("DROP VIEW results; CREATE TABLE results (a INTEGER)", "has a table where a view is to be: results"),
        ("DELETE FROM pulseq_schema", "does not tell the version of its schema"),
        ("CREATE TABLE mine (a INTEGER)", None),
        ("DROP VIEW results", None),
    ],
)
def test_what_a_client_has_done_to_tables_is_found(database: Database, statement: str, lack: str | None) -> None:
    _change(database, statement)

    assert lack == find_lack(database)


def test_a_database_of_somebody_else_is_new_or_refused(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "theirs.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE theirs (a INTEGER)")

    assert find_lack(Database(path)) is None
    with pytest.raises(UsageError, match="is none of PulseQ's: --db names another"):
        find_lack(Database(path), may_be_foreign=False)


@pytest.mark.parametrize("statement", ["DROP VIEW results", "CREATE OR REPLACE VIEW results AS SELECT 1 AS mine"])
def test_views_are_made_anew_where_one_is_not_as_it_is_to_be(database: Database, statement: str) -> None:
    _change(database, statement)

    assert [True, False] == [mend_views(database), mend_views(database)]
    with database.read() as connection:
        assert [] == connection.execute("SELECT test_id FROM results").fetchall()
