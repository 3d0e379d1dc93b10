"""The SQL of the schema, version by version."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.results.database import SCHEMA_VERSION, connect_memory
from pulseq.results.schema_files import apply_versions, make_views, schema_script

VERSIONS = range(1, SCHEMA_VERSION + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_tables(version: int) -> None:
    assert schema_script(f"{version}_tables.sql")


def test_there_are_files_of_no_other_version() -> None:
    folder = Path(schema_script.__code__.co_filename).parent / "schema"
    found = {file.name.partition("_")[0] for file in folder.glob("*_tables.sql")}

    assert {str(version) for version in VERSIONS} == found


@pytest.mark.parametrize("found", [0, *VERSIONS])
def test_versions_above_the_found_one_are_applied_and_noted_in_order(found: int) -> None:
    connection = connect_memory()
    try:
        apply_versions(connection, 0, found)
        if found:  # with views of that version
            connection.execute("CREATE VIEW results AS SELECT run_id, test_id FROM verdicts")
        apply_versions(connection, found, SCHEMA_VERSION)
        make_views(connection)
        applied = connection.execute("SELECT version FROM pulseq_schema ORDER BY rowid").fetchall()
        results = connection.execute("SELECT count(xpassed) FROM results").fetchone()
    finally:
        connection.close()

    assert [(version,) for version in VERSIONS] == applied
    assert (0,) == results


def test_rows_that_got_more_columns_are_not_taken_for_changed_ones() -> None:
    connection = connect_memory()
    try:
        apply_versions(connection, 0, 3)
        connection.execute(
            "INSERT INTO journals (run_id, end_offset, damaged_lines, rows_count, rows_checksum) "
            "VALUES ('r', 9, 0, 1, 'x')"
        )
        apply_versions(connection, 3, SCHEMA_VERSION)
        stamps = connection.execute("SELECT end_offset, rows_count, rows_checksum FROM journals").fetchall()
    finally:
        connection.close()

    assert [(9, None, None)] == stamps
