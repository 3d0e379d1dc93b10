"""What is measured in processes of its own still works on the inside that it calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.benchmarks.children import queue_tests


def test_the_memory_of_a_driver_is_measured_on_the_real_one(tmp_path: Path) -> None:
    assert {"suite", "queued", "failed"} == asyncio.run(queue_tests.measure(200, tmp_path)).keys()
