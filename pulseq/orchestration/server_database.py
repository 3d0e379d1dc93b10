"""The database of a Prefect server before its first start: an empty one, made once for all state directories.

Prefect makes it by a hundred migrations one after the other, five seconds of a processor. What comes of them
is kept in the user's cache, for each version of Prefect, and copied where the next new database is wanted.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import zlib
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pulseq.ownership import close_to_others, is_foreign, make_own_directory, open_own


def prepare_database(database: Path, template: Path | None, migrate: Callable[[], None]) -> None:
    """Make the database where there is none: a copy of the template, else what `migrate` makes there.

    A template that is missing or damaged is made anew; one that cannot be kept is done without.

    Args:
        template: where the empty database is kept, or None for nowhere.
        migrate: has Prefect make `database`.
    """
    if not copy_empty(database, template):
        migrate()
        if template is not None:
            _copy(database, template)


def copy_empty(database: Path, template: Path | None) -> bool:
    """Copy the template where there is no database yet; whether there is one now."""
    return database.exists() or (template is not None and _is_sound(template) and _copy(template, database))


def is_up_to_date(database: Path, template: Path | None) -> bool:
    """Whether the installed Prefect would find nothing to migrate: its template has the same revision."""
    revision = _revision(database)
    return revision is not None and template is not None and revision == _revision(template)


def _revision(database: Path) -> str | None:
    """What Alembic has noted of a database's schema; None where that cannot be read."""
    try:
        with _reading(database) as connection:
            [[revision]] = connection.execute("select version_num from alembic_version")
    except (sqlite3.Error, ValueError):
        return None
    return str(revision)


def template_path() -> Path | None:
    """Where this user's empty database for the installed Prefect is kept; None without a home directory."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        cache = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    except RuntimeError:
        return None
    return cache / "pulseq" / f"prefect-{version('prefect')}-{_migrations():08x}.db"


def _migrations() -> int:
    """A checksum of the names of Prefect's migrations: those of a checkout may differ within one version."""
    found = find_spec("prefect")
    places = found.submodule_search_locations if found is not None else None
    folders = [Path(place, "server/database/_migrations/versions/sqlite") for place in places or ()]
    names = sorted(file.name for folder in folders for file in folder.glob("*.py"))
    return zlib.crc32("\n".join(names).encode())


def _is_sound(template: Path) -> bool:
    if is_foreign(template) or is_foreign(template.parent):
        return False
    try:
        close_to_others(template.parent)  # an earlier version may have made it for all to look at
        with _reading(template) as connection:
            return bool(connection.execute("pragma quick_check").fetchone() == ("ok",))
    except (OSError, sqlite3.Error):
        return False


def _reading(database: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True))


def _copy(source: Path, target: Path) -> bool:
    """Put a copy in its place at once, whoever else does the same; whether that could be done."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        make_own_directory(target.parent)
        os.close(open_own(partial, os.O_WRONLY | os.O_EXCL))  # SQLite would make it as the umask says
        with (
            contextlib.closing(sqlite3.connect(source)) as reading,
            contextlib.closing(sqlite3.connect(partial)) as writing,
        ):
            # SQLite's own way: also what is still in the source's write-ahead log.
            reading.backup(writing)
        os.replace(partial, target)
    except (OSError, sqlite3.Error):
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    return True
