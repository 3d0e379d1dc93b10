"""Who has a database open, out of what DuckDB says of its lock."""

from __future__ import annotations

import os
import re

_ELSEWHERE = re.compile(r"lock is held in (.+?) \(PID (\d+)\)")
_HERE = ("different configuration than existing connections", "already held in current process")


def name_holder(said: str) -> str:
    """The holder for a person, such as `process 4711 (python3.11)`: as much of it as DuckDB has told."""
    if found := _ELSEWHERE.search(said):
        program, pid = found.groups()
        return f"process {pid} ({os.path.basename(program)})"
    return "this process itself, by another connection" if any(words in said for words in _HERE) else "another process"
