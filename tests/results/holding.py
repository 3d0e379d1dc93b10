"""Somebody else who has a database open, as a notebook does."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held_by_another_process(path: Path, *, read_only: bool) -> Iterator[int]:
    """The id of a process that has the file open for as long as the block takes."""
    script = textwrap.dedent(
        """
        import sys, duckdb
        connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "True")
        print("held", flush=True)
        sys.stdin.read()
        """
    )
    command = [sys.executable, "-c", script, str(path), str(read_only)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.pid
        finally:
            holder.kill()
