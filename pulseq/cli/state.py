"""Where a command finds stored results."""

from __future__ import annotations

from pathlib import Path

from pulseq.ownership import default_home


def database_path(named: Path | None) -> Path:
    """The DuckDB file that was named, else the one in the state directory."""
    from pulseq.results.database import DATABASE_NAME  # brings DuckDB, which `--help` need not wait for

    return named.absolute() if named is not None else default_home() / DATABASE_NAME
