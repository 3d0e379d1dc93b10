"""One seed: a run of a minute, faults at moments of its own, and what has to hold afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulseq.events import AttemptFinished, TestClosed
from pulseq.results.journal import read_journal
from tests.chaos.faults import Fault, go_on, is_ours, strike
from tests.system.chaos_check import find_broken_in_files
from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, until

RUN_ID = "chaos"
#: A run whose last test could have ended so long ago hangs.
HANGS_SECONDS = 150.0
#: What becomes of a test for which something of ours was to blame, or that was at work when the run had to end.
EXCUSED = frozenset({"node_lost", "internal", "cancelled"})

NODES = "framework: {heartbeat_interval: 0.5, node_timeout: 4}\nnodes:\n" + "".join(
    f"  - {{id: n{number}, max_concurrent_tests: {slots}}}\n" for number, slots in enumerate((1, 1, 2))
)
SLOTS = 4
NOTE = 'echo "$PULSEQ_TEST_ID $PULSEQ_ATTEMPT" >> ran'
ITEMS = """
import os, time, pytest

@pytest.fixture(autouse=True)
def note():
    with open("ran", "a") as file:
        file.write(f"{os.environ['PULSEQ_TEST_ID']} {os.environ['PULSEQ_ATTEMPT']}\\n")

@pytest.mark.parametrize("n", range(%d))
def test_item(n):
    time.sleep(n %% 7 / 20)
"""


@dataclass
class Excuses:
    """Tests that may have crashed: one a slot for each process that was killed and in whose tree bodies run."""

    left: int

    def pop_one(self) -> bool:
        """Whether there is one more."""
        self.left -= 1
        return self.left >= 0


@dataclass
class Outcome:
    """What a seed came to; `broken` says what does not hold."""

    seed: int
    faults: list[Fault] = field(default_factory=list)
    code: int | None = None
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        head = f"seed {self.seed}: exit {self.code} after {self.seconds:.0f} s, {len(self.faults)} faults: {told}"
        return "\n".join([head, *(f"  {line}" for line in self.broken)])


def run_seed(seed: int, place: Path, *, seconds: float) -> Outcome:
    """Run one seed in a directory of its own; the run has tests for about `seconds`."""
    chance = random.Random(seed)
    outcome = Outcome(seed)
    with open_workplace(place) as workplace:
        suite = _write_suite(workplace, chance, seconds)
        nodes = workplace.write("nodes.yaml", NODES)
        log = place / "out.txt"
        began = time.monotonic()
        with open(log, "w", encoding="utf-8") as out:
            run = subprocess.Popen(
                [sys.executable, "-m", "pulseq", "run", str(suite), "--nodes", str(nodes), "--run-id", RUN_ID],
                cwd=place,
                env=workplace.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _strike_as_it_goes(workplace, run, chance, outcome, began, seconds)
            outcome.code = _wait(run, outcome)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
        outcome.seconds = time.monotonic() - began
        _judge(workplace, outcome)
    return outcome


def _write_suite(workplace: Workplace, chance: random.Random, seconds: float) -> Path:
    count = int(seconds * 2)
    commands = "".join(
        f"  - {{id: c{n}, shell: true, command: '{NOTE}; sleep {chance.choice([0.05, 0.3, 1.0])}'}}\n"
        for n in range(count)
    )
    flaky = "".join(
        f"  - {{id: f{n}, max_retries: 9, shell: true, command: '{NOTE}; test $PULSEQ_ATTEMPT -gt 1'}}\n"
        for n in range(5)
    )
    failing = f"  - {{id: bad, shell: true, command: '{NOTE}; exit 3'}}\n"
    workplace.write("tests/test_items.py", ITEMS % (count * 2))
    return workplace.write(
        "suite.yaml", f"suite: chaos\ntests:\n{commands}{flaky}{failing}  - {{id: unit, pytest: tests}}\n"
    )


def _strike_as_it_goes(
    workplace: Workplace,
    run: subprocess.Popen[Any],
    chance: random.Random,
    outcome: Outcome,
    began: float,
    seconds: float,
) -> None:
    """Some faults that are got over; in one seed of four the last is one that is not."""
    moments = sorted(chance.uniform(2.0, seconds) for _ in range(chance.randrange(2, 7)))
    last_is_fatal = chance.random() < 0.25
    pending: list[tuple[float, Fault]] = []
    for number, moment in enumerate(moments):
        fatal = last_is_fatal and number == len(moments) - 1
        while (now := time.monotonic() - began) < moment and run.poll() is None:
            _go_on_where_due(workplace, pending, now)
            time.sleep(0.05)
        if run.poll() is not None:
            break
        fault = strike(workplace, run.pid, chance, began, fatal=fatal)
        if fault is not None:
            outcome.faults.append(fault)
            if fault.signal == "STOP" and (fault.seconds is not None or fault.role == "driver"):
                # Nobody looks after the driver but who has started it.
                pending.append((fault.at + (fault.seconds or 5.0), fault))
    while pending and run.poll() is None:
        _go_on_where_due(workplace, pending, time.monotonic() - began)
        time.sleep(0.05)


def _go_on_where_due(workplace: Workplace, pending: list[tuple[float, Fault]], now: float) -> None:
    for entry in [one for one in pending if one[0] <= now]:
        pending.remove(entry)
        if is_ours(entry[1].pid, workplace.path):
            go_on(entry[1])


def _wait(run: subprocess.Popen[Any], outcome: Outcome) -> int | None:
    try:
        return run.wait(HANGS_SECONDS)
    except subprocess.TimeoutExpired:
        outcome.broken.append(f"the run has not ended {HANGS_SECONDS:.0f} s after the last fault")
        return None


def _judge(workplace: Workplace, outcome: Outcome) -> None:
    killed_driver = any(fault.role == "driver" and fault.signal == "KILL" for fault in outcome.faults)
    try:
        until(lambda: not workplace.processes(), "nothing of the run is left", 20)
    except AssertionError:
        names = sorted(" ".join(process.cmdline())[:120] for process in workplace.processes())
        outcome.broken.append(f"left after the run: {names}")
        for process in workplace.processes():
            process.kill()
        until(lambda: not workplace.processes(), "what was left is gone", 20)
    events = [entry.event for entry in read_journal(workplace.home / "runs" / RUN_ID / "journal.jsonl")]
    closed = {event.test_id: event for event in events if isinstance(event, TestClosed)}
    killed = Excuses(SLOTS * sum(fault.signal == "KILL" and "<" in fault.role for fault in outcome.faults))
    outcome.reasons = Counter(str(event.reason or event.status) for event in closed.values())
    wrong = [
        f"{name} is {event.status} ({event.reason}): {event.error}"
        for name, event in closed.items()
        if event.status != "passed"
        and name != "bad"
        and event.reason not in EXCUSED
        # Below these the user's code runs, which might have killed them itself; a session tells that it lost one.
        and not ((event.reason in ("crash", "setup") or name.endswith("::[session]")) and killed.pop_one())
    ]
    outcome.broken += wrong
    if "bad" in closed and closed["bad"].status == "passed":
        outcome.broken.append("bad passed")
    outcome.broken += starts_that_are_wrong(workplace, events)
    if killed_driver or outcome.code is None:
        return
    outcome.broken += find_broken_in_files(workplace, RUN_ID)
    if outcome.code not in (1, 10):
        outcome.broken.append(f"exit code {outcome.code}, where one test fails")


def starts_that_are_wrong(workplace: Workplace, events: list[Any]) -> list[str]:
    """Attempts that began twice, or passed without having begun, by what bodies wrote into the file `ran`."""
    path = workplace.path / "ran"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    starts = Counter(lines)
    passed = {
        f"{e.result.test_id} {e.result.attempt}"
        for e in events
        if isinstance(e, AttemptFinished) and e.result.status == "passed"
    }
    doubled = [f"attempt {line!r} began {count} times" for line, count in starts.items() if count > 1]
    unheard = [f"attempt {line!r} passed and never began" for line in sorted(passed - set(starts))]
    return [*doubled, *unheard]
