"""Nothing keeps an event loop of a run waiting: neither the driver's nor a node's, in a run of 2,000 tests.

Measured is what a callback has worked or slept, and not what it has waited for a processor (`slow_callbacks.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.system.workplace import Workplace, watch_callbacks

SUITE = """
suite: many
tests:
  - {id: items, pytest: test_many.py}
"""
MANY = """
import pytest

@pytest.mark.parametrize("number", range(1700))
def test_one(number):
    print("x" * number)
    assert number % 100, "it is the hundredth"
"""


def test_no_callback_keeps_an_event_loop_waiting(bare_workplace: Workplace) -> None:
    place, told = bare_workplace, watch_callbacks(bare_workplace)
    place.write("suite.yaml", SUITE + "".join(f"  - {{id: c{n}, command: ['true']}}\n" for n in range(300)))
    place.write("test_many.py", MANY)

    up = place.run("up", "-n", "2")
    try:
        run = place.run("run", "suite.yaml", "--run-id", "many", "--granularity", "auto")
    finally:
        down = place.run("down")

    assert (0, 1, 0) == (up.code, run.code, down.code), run.err
    assert 2000 == sum(line["kind"] == "test_closed" for line in place.journal("many"))
    assert "" == "".join(file.read_text() for file in told.iterdir())


def test_a_callback_that_does_is_told(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("slow_callbacks.py"), tmp_path / "sitecustomize.py")
    told = tmp_path / "told"
    told.mkdir()
    program = "import asyncio, time\nasync def sleep(): time.sleep(0.3)\nasyncio.run(sleep())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SLOW_CALLBACKS": str(told)}

    subprocess.run([sys.executable, "-c", program, "pulseq"], env=environment, check=True)

    assert ["0.3"] == [file.read_text()[:3] for file in told.iterdir()]
