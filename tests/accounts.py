"""Another account of this machine, as far as tests need one: a user's number that nobody has."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Numbers from here on are nobody's on Debian and its like.
_FIRST_NUMBER = 61_184


def _find_number() -> int:
    taken = {account.pw_uid for account in pwd.getpwall()}
    return next(number for number in range(_FIRST_NUMBER, _FIRST_NUMBER + 1000) if number not in taken)


SOMEBODY = _find_number()
needs_two_accounts = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can have files and processes of another account"
)


@contextlib.contextmanager
def open_place() -> Iterator[Path]:
    """A directory that every account may enter and write to, which pytest's own are not."""
    place = Path(tempfile.mkdtemp(prefix="pulseq-test-", dir="/tmp"))
    try:
        place.chmod(0o777)
        yield place
    finally:
        shutil.rmtree(place)


#: What scripts need.
IMPORTS = "import concurrent.futures.thread, encodings.idna, json, os, pathlib, socket, ssl, sys, tempfile\n"
#: The interpreter may lie where that account cannot enter, so it is all imported before.
_BECOME = """
os.setgroups([])
os.setgid({user})
os.setuid({user})
"""


@contextlib.contextmanager
def as_somebody(script: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A script that runs as that account, with the modules imported above; it has ended after the block."""
    with subprocess.Popen(
        [sys.executable, "-c", IMPORTS + _BECOME.format(user=SOMEBODY) + script, *map(str, arguments)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
