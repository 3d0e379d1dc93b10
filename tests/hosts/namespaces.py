"""Processes that have namespaces of their own and end with their opener, and programs that are run in these."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from tests.hosts.needs import find_program

#: How long something takes that takes a tenth of a second where nothing hangs.
PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def open_namespaces(kinds: Sequence[str], command: Sequence[str]) -> Iterator[int]:
    """A process of `command` in new namespaces of these kinds; yields its number once it has said `ready`.

    It has a pipe for its standard input, of which this process has the other end: it is to end when that is closed.
    With a namespace of processes it is the first one there, and all others end with it.
    """
    options = [f"--{kind}" for kind in kinds]
    holder = subprocess.Popen(
        [find_program("unshare"), *options, "--fork", "--kill-child", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,  # a Ctrl-C is for the tests, which then end this in order
    )
    try:
        assert holder.stdout is not None
        said = holder.stdout.readline()
        assert said == "ready\n", f"{command[0]} has not come up in its namespaces: {said!r}"
        yield psutil.Process(holder.pid).children()[0].pid
    finally:
        holder.kill()
        with holder:  # closes its pipes
            pass


def configure_links(commands: Sequence[str], pid: int | None = None) -> None:
    """Commands for `ip`, without that word, done in the network namespace of a process or in this one."""
    enter = [find_program("nsenter"), "--target", str(pid), "--net"] if pid else []
    subprocess.run(
        [*enter, find_program("ip"), "-batch", "-"],
        input="".join(f"{command}\n" for command in commands),
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )


def processes_in(pid: int) -> list[psutil.Process]:
    """All that live in the namespace of processes of `pid`, the oldest first; without that one and without zombies."""
    namespace = os.stat(f"/proc/{pid}/ns/pid").st_ino
    found = ((_find_age(process, namespace), process) for process in psutil.process_iter() if process.pid != pid)
    return [process for _, process in sorted((age, process) for age, process in found if age is not None)]


def _find_age(process: psutil.Process, namespace: int) -> tuple[float, int] | None:
    try:
        there = Path(f"/proc/{process.pid}/ns/pid").stat().st_ino == namespace
        lives = there and process.status() != psutil.STATUS_ZOMBIE
        return (process.create_time(), process.pid) if lives else None
    except (psutil.Error, OSError):
        return None  # it has ended meanwhile
