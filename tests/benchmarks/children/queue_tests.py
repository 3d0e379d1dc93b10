"""Queues a made-up suite as the driver does, lets it fail, and prints by how much its memory has grown per test."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
from pathlib import Path

import psutil

from pulseq.fleet import FrameworkConfig
from pulseq.models import AttemptResult, CommandBody, Reason, Status, Suite, TestCase
from pulseq.run.callers_variables import CallersVariables
from pulseq.run.driver import Driver
from pulseq.run.event_log import EventLog
from pulseq.run.run_options import RunOptions
from pulseq.run.stopping import Stopper

_COMMIT_EVERY = 1000
_METRICS = ("duration", "response_time", "memory_usage", "cpu_usage")


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
    """Bytes per test: with the suite alone, with all of it queued, and with all of it failed."""
    options = RunOptions(home=home)
    options.run_directory.mkdir(parents=True)
    log = EventLog(options.journal_path, [], lambda error: None)
    stopper, variables = Stopper(lambda why: None), CallersVariables()
    driver = Driver(Suite("benchmark", ()), FrameworkConfig(), options, log, stopper, variables)
    before = resident_bytes()
    suite = make_suite(count)
    with_suite = resident_bytes()
    for number, test in enumerate(suite.tests):
        driver.dispatcher.accept(test)
        if number % _COMMIT_EVERY == 0:
            await log.commit()
    await log.commit()
    queued = resident_bytes()
    if driver.dispatcher.queue.waiting != count:
        raise RuntimeError(f"{driver.dispatcher.queue.waiting} of {count} tests are queued")
    await fail_all(suite, driver, log)
    failed = resident_bytes()
    log.close()
    grown = {"suite": with_suite, "queued": queued, "failed": failed}
    return {what: (bytes_then - before) / count for what, bytes_then in grown.items()}


async def fail_all(suite: Suite, driver: Driver, log: EventLog) -> None:
    """Book a failed attempt of each test, which has much to say, as its node would tell it."""
    ledger = driver.ledger
    for number, test in enumerate(suite.tests):
        ledger.sent(test.key, "node1")
        said = f"E  {number} is not what was expected, here or in what it was called from\n" * 110
        result = AttemptResult(
            f"{test.id}",
            1,
            "node1",
            Status.FAILED,
            reason=Reason.ASSERTION,
            started_at=1e9 + number,
            duration=0.5 + number,
            error=said,
            output=said,
            output_bytes=len(said),
            metrics={name: number / share for share, name in enumerate(_METRICS, 3)},
        )
        ledger.start(test.key, 1, "node1", f"{number:032}")
        ledger.finish(result, in_place=True)
        if number % (_COMMIT_EVERY // 10) == 0:
            await log.commit()
    await log.commit()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pulseq-bench-") as scratch:
        print(json.dumps(asyncio.run(measure(json.loads(sys.argv[1])["count"], Path(scratch)))))
