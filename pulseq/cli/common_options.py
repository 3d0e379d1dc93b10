"""Options that several commands have, and what those mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from pulseq.ownership import default_home

NodeCount: TypeAlias = Annotated[str | None, Parameter(name=["-n", "--numprocesses"])]
Output: TypeAlias = Literal["text", "json"]
Verbose: TypeAlias = Annotated[bool, Parameter(name=["-v", "--verbose"])]


def database_path(named: Path | None) -> Path:
    """The DuckDB file that was named, else the one in the state directory."""
    from pulseq.results.database import DATABASE_NAME  # brings DuckDB, which `--help` need not wait for

    return named.absolute() if named is not None else default_home() / DATABASE_NAME
