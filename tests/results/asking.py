"""What tests ask of a database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pulseq.results.database import Database
from pulseq.results.ingest import RUN_TABLES


def ask(database: Database, query: str) -> list[Any]:
    with database.read() as connection:
        return connection.execute(query).fetchall()


def told(database: Database, query: str) -> list[SimpleNamespace]:
    """Rows by the names of their columns."""
    with database.read() as connection:
        answer = connection.execute(query)
        names = [name for name, *_ in answer.description or ()]
        return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in answer.fetchall()]


def everything(database: Database) -> dict[str, list[Any]]:
    with database.read() as connection:
        return {table: connection.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in RUN_TABLES}
