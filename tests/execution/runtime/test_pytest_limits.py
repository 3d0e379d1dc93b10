"""`memory_limit` and `output_limit` of a pytest entry hold for each of its items."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.models import Reason

REST = "def test_before(): pass\n{}\ndef test_after(): pass\n"
ONE_ENDED = {"test_before": "passed", "test_much": "error", "test_after": "passed"}


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
@pytest.mark.parametrize("where", ["itself", "a child"])
def test_an_item_over_the_memory_limit_is_ended_alone(where: str, isolation: str, suite: Any) -> None:
    eats = "import os, time\nkept = b'x' * 400_000_000\ntime.sleep(600)"
    body = {
        "itself": f"def test_much():\n    exec({eats!r})\n",
        "a child": f"import subprocess, sys\ndef test_much():\n    subprocess.run([sys.executable, '-c', {eats!r}])\n",
    }[where]
    run = suite({"test_eats.py": REST.format(body)}).run(memory_limit=300_000_000, isolation=isolation)
    assert run.verdicts() == ONE_ENDED
    assert run["test_much"].reason is Reason.MEMORY
    assert "of memory, more than its limit of 300.0 MB" in (run["test_much"].error or "")


@pytest.mark.parametrize("capture", ["fd", "no"])
def test_an_item_that_writes_without_end_is_ended_alone(capture: str, suite: Any) -> None:
    body = "def test_much():\n    while True: print('x' * 1000)\n"
    run = suite({"test_writes.py": REST.format(body)}).run(output_limit=1_000_000, args=(f"--capture={capture}",))
    assert run.verdicts() == ONE_ENDED
    assert run["test_much"].reason is Reason.OUTPUT_LIMIT
    assert run["test_much"].error == "wrote more output than its limit of 1000000 bytes, so it was ended"


def test_an_item_that_has_written_too_much_in_a_moment_is_judged_at_its_end(suite: Any) -> None:
    body = "def test_much(): print('x' * 2000)\n"
    run = suite({"test_writes.py": REST.format(body)}).run(output_limit=1000)
    assert run.verdicts() == ONE_ENDED
    assert run["test_much"].reason is Reason.OUTPUT_LIMIT
