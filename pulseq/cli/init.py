"""`pulseq init`: a suite and its nodes from what is in a directory, so that `pulseq run` works there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.node.machine import count_cpus
from pulseq.suites.default_suite import DEFAULT_STEM, default_files, own_nodes_files
from pulseq.suites.found_project import FoundProject
from pulseq.suites.found_tools import find_entries
from pulseq.suites.starter import EXAMPLE_NODES, EXAMPLES, FoundTests, render_nodes, render_suite


def init(directory: Path = Path(), /) -> int:
    """Write a suite and a nodes file for what is in a directory; `pulseq run` there takes them by itself.

    It looks for pytest's tests, a test script in package.json, Maven, Gradle, Go, Cargo, PHPUnit, RSpec, CTest and a
    test target in a Makefile. Where there is nothing it writes a small example. It runs nothing, and a file that is
    there already stays as it is.

    Args:
        directory: Where to look and write; by default the working directory.
    """
    if not directory.is_dir():
        raise UsageError(f"found no directory {str(directory)!r}, expected the one of a project")
    suite = directory / f"{DEFAULT_STEM}.yaml"
    nodes = own_nodes_files(suite)
    suite_there = next(iter(default_files(directory)), None)
    nodes_there = next((file for file in nodes if file.is_file()), None)
    if suite_there and nodes_there:
        raise UsageError(
            f"found {str(suite_there)!r} and {str(nodes_there)!r} already, and left them as they are: edit them, or "
            "move them away to have new ones; `pulseq check` tells whether they would run"
        )
    project = FoundProject(directory)
    entries = find_entries(project)
    runnable = [entry for entry in entries if not entry.missing]
    if _write(suite, suite_there, render_suite(project.name, entries, "" if runnable else EXAMPLES)):
        _tell(entries, runnable)
    _write(nodes[0], nodes_there, render_nodes(count_cpus()) if runnable else EXAMPLE_NODES)
    where = "" if directory.resolve() == Path.cwd().resolve() else f" in {directory}"
    print(f"next{where}: `pulseq run`; `pulseq check` looks without running", file=sys.stderr)
    return 0


def _write(file: Path, there: Path | None, text: str) -> bool:
    """Write a file unless it, or what stands for it, is there; whether it was written."""
    if there is not None:
        print(f"{there} is there already, and stays as it is", file=sys.stderr)
        return False
    try:
        # Whatever has come in its place by now, a link that leads nowhere too.
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be written: {error.strerror or error}") from error
    print(f"wrote {file}", file=sys.stderr)
    return True


def _tell(entries: Sequence[FoundTests], runnable: Sequence[FoundTests]) -> None:
    for entry in entries:
        end = f" Not run: {entry.missing}" if entry.missing else ""
        print(f"  {entry.id}: {entry.why}{end}", file=sys.stderr)
    if not runnable:
        print("  found no tests that can run here: wrote four small ones as an example", file=sys.stderr)
