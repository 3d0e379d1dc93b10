"""A small simulated fleet that tells the story of a run as (seconds, event) pairs."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    NodeJoined,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult, CapabilityValue, Reason, Status
from pulseq.records import RunRecord, fold

# A shared machine may be slow at any moment; a deadline would be an assertion on seconds.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")

START = 1_780_000_000.0
ASSERTION = """def test_total():
    cart = Cart([Item("tea", 3), Item("milk", 1)])
>   assert cart.total() == 5
E   AssertionError: assert 4 == 5
E    +  where 4 = total()

shop/test_cart.py:17: AssertionError"""
FLEET: dict[str, tuple[int, dict[str, CapabilityValue]]] = {
    "bench-1": (4, {"os": "linux", "browser": "chrome", "memory": "8GB", "python": "3.12.1"}),
    "bench-2": (2, {"os": "linux", "browser": "firefox", "memory": "8GB", "gpu": True}),
    "mac-mini": (1, {"os": "macos", "browser": "safari", "memory": "16GB"}),
}


@dataclass
class Plot:
    """How one test of the story goes: the outcome of each of its attempts, in order."""

    test_id: str
    seconds: float = 1.0
    outcomes: tuple[tuple[Status, Reason | None], ...] = ((Status.PASSED, None),)
    variant: str = ""
    body: str = "command"
    node: str | None = None
    location: str | None = None
    error: str = ""
    output: str = ""
    warnings: tuple[str, ...] = ()
    #: Further fields of the last attempt's result.
    told: dict[str, Any] = field(default_factory=dict)


@dataclass
class Story:
    """A run as it went: its events with the seconds since its start at which they happened."""

    moments: list[tuple[float, Event]] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.moments]

    @property
    def record(self) -> RunRecord:
        return fold(self.events)

    def until(self, seconds: float) -> list[tuple[float, Event]]:
        return [moment for moment in self.moments if moment[0] <= seconds]


def _result(plot: Plot, attempt: int, node: str, began: float) -> AttemptResult:
    status, reason = plot.outcomes[attempt - 1]
    bad = status is not Status.PASSED
    return AttemptResult(
        plot.test_id,
        attempt,
        node,
        status,
        plot.variant,
        reason,
        started_at=START + began,
        duration=plot.seconds,
        queue_seconds=began,
        error=(plot.error or (ASSERTION if reason is Reason.ASSERTION else f"{reason}")) if bad else None,
        output=plot.output,
        output_bytes=len(plot.output),
        metrics={"duration": plot.seconds, "memory_usage": 12.5},
        warnings=plot.warnings,
        **(plot.told if attempt == len(plot.outcomes) else {}),
    )


def _closed(plot: Plot, result: AttemptResult | None, attempts: int) -> TestClosed:
    if result is None:
        why = plot.error or "no node fits"
        return TestClosed(plot.test_id, plot.variant, Status.ERROR, Reason.UNSATISFIABLE, False, 0, None, why)
    evidence = [reason for status, reason in plot.outcomes[: attempts - 1] if reason is not Reason.NODE_LOST]
    flaky = result.status is Status.PASSED and bool(evidence)
    return TestClosed(
        plot.test_id, plot.variant, result.status, result.reason, flaky, attempts, result.node_id, result.error
    )


def tell(plots: Iterable[Plot], fleet: dict[str, tuple[int, dict[str, CapabilityValue]]] = FLEET) -> Story:
    """Run the plots on the fleet, first come first served, and tell what happened."""
    story, queue = Story(), list(plots)
    say = story.moments.append
    say((0.0, RunStarted("20260528-2026-k3x9", "checkout", START, "0.1.0")))
    say((0.1, PrefectRunKnown("f1", "http://127.0.0.1:4200/runs/flow-run/f1")))
    for node, (slots, capabilities) in fleet.items():
        say((0.4, NodeJoined(node, "localhost", slots, capabilities)))
    for plot in queue:
        planned = TestPlanned(plot.test_id, plot.variant, "", plot.body, "medium", plot.location, plot.seconds)
        say((0.5, planned))
    free = [(0.5, node, slot) for node, (slots, _) in fleet.items() for slot in range(slots)]
    heapq.heapify(free)
    ended = 0.5
    for plot in queue:
        if not plot.outcomes:
            say((0.5, _closed(plot, None, 0)))
            continue
        now = 0.5
        for attempt in range(1, len(plot.outcomes) + 1):
            now, node, slot = heapq.heappop(free)
            say((now, AttemptStarted(plot.test_id, plot.variant, attempt, node)))
            result = _result(plot, attempt, node, now)
            now += plot.seconds
            say((now, AttemptFinished(result)))
            heapq.heappush(free, (now + 0.01, node, slot))
        say((now, _closed(plot, result, attempt)))
        ended = max(ended, now)
    story.moments.sort(key=lambda moment: moment[0])
    exit_code = 1 if any(plot.outcomes and plot.outcomes[-1][0] is Status.FAILED for plot in queue) else 0
    say((ended, RunFinished(START + ended, ended, exit_code, "failed" if exit_code else "passed")))
    return story


def checkout_plots(count: int = 120, seed: int = 7) -> list[Plot]:
    """A suite with something of everything: mostly passing, some trouble of each kind."""
    chance = random.Random(seed)
    areas = ("cart", "price", "login", "search", "stock", "invoice")
    plots = [
        Plot(f"{areas[index % 6]}-{index:03}", round(chance.uniform(0.2, 2.5), 2), location=f"suite.yaml:{index + 4}")
        for index in range(count)
    ]
    failed = ((Status.FAILED, Reason.ASSERTION),)
    passed = ((Status.PASSED, None),)
    plots[9] = Plot("cart-total", 1.2, failed * 2, "browser=chrome", "call", output="total 4\nwant 5\n")
    plots[20] = Plot("login-slow", 3.0, ((Status.ERROR, Reason.TIMEOUT),), error="still running after 3 s; ended")
    plots[31] = Plot("search-index", 0.8, failed + passed, "", "call")
    plots[44] = Plot("unit::tests/test_price.py::TestTax::test_rate[de]", 0.1, failed, "", "pytest", error=ASSERTION)
    plots[55] = Plot("stock-legacy", 0.1, ((Status.SKIPPED, Reason.SKIP),), error="needs the old database")
    plots[56] = Plot("stock-known-bug", 0.1, ((Status.SKIPPED, Reason.XFAIL),), error="issue 12")
    plots[70] = Plot("invoice-pdf", 1.0, ((Status.ERROR, Reason.NODE_LOST), *passed))
    no_node = "no node fits browser=edge; nearest is bench-1: browser is chrome"
    plots[80] = Plot("login-edge", 0.0, (), "browser=edge", error=no_node)
    return plots


@pytest.fixture
def plot() -> type[Plot]:
    return Plot


@pytest.fixture
def tell_story() -> Callable[..., Story]:
    return tell


@pytest.fixture
def checkout() -> Story:
    story = tell(checkout_plots())
    story.moments.insert(6, (0.5, RunNote("3 tests have no expected duration; the estimate starts late")))
    return story
