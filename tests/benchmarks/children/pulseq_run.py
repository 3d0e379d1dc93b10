"""Runs a made-up suite on standing nodes as the driver does, and prints when its verdicts were there."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pulseq.cluster.scheduler_address import credentials_for
from pulseq.events import Event, PrefectRunKnown, TestClosed
from pulseq.fleet import Fleet
from pulseq.models import Body, CallBody, SimulateBody, Suite, TestCase
from pulseq.orchestration.api_client import wait_until_recorded
from pulseq.run.run_options import RunOptions
from pulseq.run.run_session import run_suite

_RECORD_PATIENCE_SECONDS = 300.0


class Clock:
    """A view that takes the times of a run; zero is the moment at which its flow run exists."""

    def __init__(self, tests: int, api_url: str) -> None:
        self.began = 0.0
        self.last_verdict = 0.0
        self.recorded: asyncio.Task[float] | None = None
        self.missing = 0
        self.statuses: Counter[str] = Counter()
        self._tests = tests
        self._api_url = api_url
        self._flow_run_id = ""

    def handle(self, event: Event) -> None:
        """Take an event in."""
        match event:
            case PrefectRunKnown():
                self.began, self._flow_run_id = time.perf_counter(), event.flow_run_id
            case TestClosed():
                self.last_verdict = time.perf_counter()
                self.statuses[event.status] += 1
                if self.statuses.total() == self._tests:
                    self.recorded = asyncio.get_running_loop().create_task(self._wait_for_records())

    async def _wait_for_records(self) -> float:
        known = await wait_until_recorded(
            self._api_url, self._flow_run_id, self._tests, patience_seconds=_RECORD_PATIENCE_SECONDS
        )
        self.missing = known.missing
        return time.perf_counter()


def make_tests(count: int, body: str, shortest: float, longest: float) -> tuple[TestCase, ...]:
    """Tests of evenly spread durations, in an order of chance that is always the same."""
    chance = random.Random(1)
    bodies: list[Body] = []
    for number in range(count):
        seconds = shortest + (longest - shortest) * (number + 0.5) / count
        bodies.append(CallBody("builtins:bool") if body == "call" else SimulateBody(seconds))
    chance.shuffle(bodies)
    return tuple(TestCase(f"test-{number}", body) for number, body in enumerate(bodies))


async def measure(configuration: dict[str, Any]) -> dict[str, Any]:
    """Run the suite; seconds from the flow run's start to the last verdict, and to the last record."""
    tests = make_tests(
        configuration["count"], configuration["body"], configuration["shortest"], configuration["longest"]
    )
    clock = Clock(len(tests), configuration["api_url"])
    home, scheduler = Path(configuration["home"]), configuration["scheduler"]
    credentials = credentials_for(home, scheduler)
    options = RunOptions(home=home, scheduler=scheduler, credentials=credentials, granularity="test")
    outcome = await run_suite(Suite("benchmark", tests), Fleet(()), options, [clock.handle])
    if clock.statuses != {"passed": len(tests)} or clock.recorded is None:
        raise RuntimeError(f"found {dict(clock.statuses)}, exit {outcome.exit_code}, expected {len(tests)} passed")
    recorded = await clock.recorded
    if clock.missing and not configuration["may_miss"]:
        raise RuntimeError(f"the server has not recorded {clock.missing} of {len(tests)} task runs")
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "verdict_seconds": clock.last_verdict - clock.began,
        "recorded_seconds": recorded - clock.began,
        "missing": clock.missing,
        "driver_cpu_seconds": used.ru_utime + used.ru_stime,
        "driver_peak_bytes": used.ru_maxrss * 1024,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(json.loads(sys.argv[1])))))
