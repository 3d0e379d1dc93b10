"""An empty database is made once, and copied from then on."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from pulseq.orchestration.server_database import copy_empty, is_up_to_date, prepare_database, template_path
from tests.accounts import SOMEBODY, needs_two_accounts


class Migrations:
    """Makes a database with one table, as Prefect's do, and counts how often."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.times = 0

    def __call__(self) -> None:
        self.times += 1
        self.database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.database)) as connection:
            # As Prefect's server does: what was written last is in a file beside the database.
            connection.execute("pragma journal_mode = wal")
            connection.execute("create table made (by text)")
            connection.commit()


def _prepare(database: Path, template: Path | None) -> int:
    """Make the database; how often its migrations were run for that."""
    migrations = Migrations(database)
    prepare_database(database, template, migrations)
    return migrations.times


def _tables(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("select name from sqlite_master")]


def test_the_first_database_is_migrated_and_the_next_is_a_copy(tmp_path: Path) -> None:
    one, two, template = tmp_path / "1/a.db", tmp_path / "2/b.db", tmp_path / "cache/empty.db"

    assert (1, 0) == (_prepare(one, template), _prepare(two, template))

    assert ["made"] == _tables(one) == _tables(two) == _tables(template)
    assert [template] == list(template.parent.iterdir())


def test_the_copy_that_is_kept_is_this_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    template = tmp_path / "cache" / "empty.db"
    before = os.umask(0)
    try:
        _prepare(tmp_path / "1" / "a.db", template)
        _prepare(tmp_path / "2" / "b.db", template)
        template.parent.chmod(0o755)  # as an earlier version made it
        _prepare(tmp_path / "3" / "c.db", template)
    finally:
        os.umask(before)

    made = [template, tmp_path / "2" / "b.db", template.parent, tmp_path / "2"]
    assert [0o600, 0o600, 0o700, 0o700] == [stat.S_IMODE(path.stat().st_mode) for path in made]


@needs_two_accounts
@pytest.mark.parametrize("whose", ["empty.db", "."])
def test_a_copy_of_somebody_else_is_not_used(tmp_path: Path, whose: str) -> None:
    template = tmp_path / "cache" / "empty.db"
    _prepare(tmp_path / "1" / "a.db", template)
    os.chown(template.parent / whose, SOMEBODY, SOMEBODY)

    assert 1 == _prepare(tmp_path / "2" / "b.db", template)


def test_a_database_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    database, template = tmp_path / "a.db", tmp_path / "empty.db"
    _prepare(tmp_path / "other.db", template)
    database.write_bytes(b"mine")

    assert 0 == _prepare(database, template)

    assert b"mine" == database.read_bytes()


def test_a_damaged_template_is_made_anew(tmp_path: Path) -> None:
    template = tmp_path / "empty.db"
    template.write_bytes(b"SQLite format 3\0" + b"\xff" * 500)

    assert (1, 0) == (_prepare(tmp_path / "a.db", template), _prepare(tmp_path / "b.db", template))

    assert ["made"] == _tables(tmp_path / "b.db")


def test_where_nothing_can_be_kept_every_database_is_migrated(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert 1 == _prepare(tmp_path / "a.db", tmp_path / "file" / "empty.db")
    assert 1 == _prepare(tmp_path / "b.db", None)


def test_each_version_of_prefect_has_a_template_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = template_path()
    assert found is not None
    assert tmp_path / "cache/pulseq" == found.parent
    # A checksum of the migrations follows, which a checkout may have more of.
    assert re.fullmatch(rf"prefect-{re.escape(version('prefect'))}-(?!00000000)[0-9a-f]{{8}}\.db", found.name)
    for relative in ("", "cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert tmp_path / "me/.cache/pulseq" / found.name == template_path()


def test_without_a_home_directory_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)

    assert template_path() is None


def _make_revision(database: Path, revision: str) -> Path:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("insert into alembic_version values (?)", [revision])
        connection.commit()
    return database


def test_a_database_of_the_templates_revision_needs_no_migration(tmp_path: Path) -> None:
    template = _make_revision(tmp_path / "empty.db", "b2")
    database = tmp_path / "a" / "a.db"

    assert copy_empty(database, template)
    assert is_up_to_date(database, template)


def test_any_other_database_does(tmp_path: Path) -> None:
    template = _make_revision(tmp_path / "empty.db", "b2")
    older = _make_revision(tmp_path / "older.db", "a1")
    (tmp_path / "damaged.db").write_bytes(b"mine")

    assert not is_up_to_date(older, template)
    assert not is_up_to_date(tmp_path / "damaged.db", template)
    assert not is_up_to_date(tmp_path / "gone.db", template)
    assert not is_up_to_date(older, tmp_path / "no-template.db")
    assert not is_up_to_date(older, None)
    assert not (tmp_path / "gone.db").exists()


@pytest.mark.slow
@pytest.mark.system
def test_prefects_own_database_has_a_revision_that_can_be_read(tmp_path: Path) -> None:
    database, template = tmp_path / "prefect.db", tmp_path / "empty.db"
    script = """
import asyncio
from prefect.server.database import provide_database_interface
asyncio.run(provide_database_interface().create_db())
"""
    made_by = {"PREFECT_HOME": str(tmp_path), "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}"}
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **made_by}, check=True)

    prepare_database(template, database, lambda: None)

    assert is_up_to_date(database, template)
