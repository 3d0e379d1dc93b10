"""The SQL that makes the tables, version by version, and the views, and brings journals into them."""

from __future__ import annotations

from importlib import resources
from typing import Any


def schema_script(name: str) -> str:
    """The text of a file in `schema/`."""
    return (resources.files("pulseq.results") / "schema" / name).read_text(encoding="utf-8")


def apply_versions(connection: Any, found: int, wanted: int) -> None:
    """Make the tables of every version of the schema above the found one, in order."""
    for version in range(found + 1, wanted + 1):
        connection.execute(schema_script(f"{version}_tables.sql"))
        connection.execute("INSERT INTO pulseq_schema VALUES (?, now())", [version])


def make_views(connection: Any) -> None:
    """Make the views over the tables of the last version, whatever others were there."""
    connection.execute(schema_script("views.sql"))
