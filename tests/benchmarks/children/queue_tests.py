"""Queues a made-up suite as the driver does, and prints by how much its memory has grown per test."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
from pathlib import Path

import psutil

from pulseq.distributed.conduct import Conduct
from pulseq.distributed.event_log import EventLog
from pulseq.distributed.run_options import RunOptions
from pulseq.distributed.stopping import Stopper
from pulseq.models import CommandBody, FrameworkConfig, Suite, TestCase

_COMMIT_EVERY = 1000


def resident_bytes() -> int:
    """The resident set after what can be freed was."""
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def make_suite(count: int) -> Suite:
    """Programs with ids as long as those of real suites, in a few classes of requirements."""
    return Suite(
        "benchmark",
        tuple(
            TestCase(
                f"shop/tests/test_module_{number % 500}.py::test_case_{number}",
                CommandBody(("python", "-c", f"print({number})")),
                requirements={"browser": "chrome" if number % 3 else "firefox"},
                location=f"suite.yaml:{number}",
            )
            for number in range(count)
        ),
    )


async def measure(count: int, home: Path) -> dict[str, float]:
    """Bytes per test: with the suite alone, and with all of it queued."""
    options = RunOptions(home=home)
    options.run_directory.mkdir(parents=True)
    log = EventLog(options.journal_path, [], lambda error: None)
    conduct = Conduct(Suite("benchmark", ()), FrameworkConfig(), options, log, Stopper(lambda why: None))
    before = resident_bytes()
    suite = make_suite(count)
    with_suite = resident_bytes()
    for number, test in enumerate(suite.tests):
        conduct.dispatcher.accept(test)
        if number % _COMMIT_EVERY == 0:
            await log.commit()
    await log.commit()
    queued = resident_bytes()
    if conduct.dispatcher.queue.waiting != count:
        raise RuntimeError(f"{conduct.dispatcher.queue.waiting} of {count} tests are queued")
    log.close()
    return {"suite": (with_suite - before) / count, "queued": (queued - before) / count}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pulseq-bench-") as scratch:
        print(json.dumps(asyncio.run(measure(json.loads(sys.argv[1])["count"], Path(scratch)))))
