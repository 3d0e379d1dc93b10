"""Processes that bodies have left behind, told from all others of the machine by what they were started with."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulseq.node.stray_processes import count_strays

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")

NODE = f"node-{secrets.token_hex(4)}"


@contextlib.contextmanager
def left_behind(*, attempt: Path, node_id: str = NODE) -> Iterator[int]:
    """A process of a body whose shell has ended."""
    variables = {
        "PATH": os.environ["PATH"],
        "PULSEQ_NODE_ID": node_id,
        "PULSEQ_METRICS": str(attempt / "metrics.jsonl"),
    }
    told = subprocess.run(
        ["sh", "-c", "sleep 600 >/dev/null & echo $!"], env=variables, stdout=subprocess.PIPE, text=True, check=True
    )
    pid = int(told.stdout)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def somebody_else() -> Iterator[int]:
    """A process that has none of these below it."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


def test_what_outlives_its_body_is_counted(tmp_path: Path) -> None:
    with somebody_else() as own, left_behind(attempt=tmp_path / "gone"):
        assert count_strays(NODE, own=own) == 1
    assert count_strays(NODE) == 0


def test_what_has_a_body_or_is_of_another_node_is_not(tmp_path: Path) -> None:
    with (
        somebody_else() as own,
        left_behind(attempt=tmp_path),
        left_behind(attempt=tmp_path / "gone", node_id=f"{NODE}-2"),
    ):
        assert count_strays(NODE, own=own) == 0


def test_what_is_below_the_node_is_watched() -> None:
    with left_behind(attempt=Path("/nowhere")) as pid:
        assert count_strays(NODE, own=pid) == 0
