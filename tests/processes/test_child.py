"""The inside of a child, with its owner's end of the pipe in the test's hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HEAD = "from pulseq.processes.child import read_configuration, tell_owner, watch_lifeline\nimport threading\n"


@contextmanager
def child(source: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD + source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def end_of(process: subprocess.Popen[bytes], said: bytes) -> tuple[bytes, int]:
    """Send these bytes, close the lifeline, and hear the child to its end."""
    out, _ = process.communicate(said)
    return out, process.returncode


def test_the_first_line_is_the_configuration() -> None:
    with child("tell_owner(read_configuration())") as process:
        out, code = end_of(process, b'{"port": 0, "name": "n\\u00e4me"}\n')
    assert (json.loads(out), code) == ({"port": 0, "name": "näme"}, 0)


def test_an_owner_that_leaves_before_it_has_said_anything_ends_the_child() -> None:
    with child("read_configuration(); tell_owner({})") as process:
        assert end_of(process, b'{"port"') == (b"", 0)


def test_the_end_of_the_lifeline_ends_the_child_wherever_it_is() -> None:
    with child("read_configuration(); watch_lifeline(lambda: None); threading.Event().wait()") as process:
        assert end_of(process, b"{}\n") == (b"", 0)


def test_last_things_are_done_first() -> None:
    source = "read_configuration(); watch_lifeline(lambda: tell_owner({'bye': 1})); threading.Event().wait()"
    with child(source) as process:
        assert end_of(process, b"{}\n") == (b'{"bye": 1}\n', 0)


def test_last_things_that_fail_do_not_keep_the_child() -> None:
    with child("read_configuration(); watch_lifeline(lambda: 1 / 0); threading.Event().wait()") as process:
        assert end_of(process, b"{}\n") == (b"", 0)
