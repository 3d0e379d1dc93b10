"""How times, tests, verdicts and capabilities are said."""

from __future__ import annotations

import pytest

from pulseq.events import NodeHealth, NodeJoined, TestClosed
from pulseq.models import CapabilityValue, Liveness, Reason, Status
from pulseq.reports.wording import say_capabilities, say_clock, say_count, say_place, say_seconds, say_test, say_verdict


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0.00 s"),
        (1.234, "1.23 s"),
        (9.999, "10.0 s"),
        (59.97, "1:00 min"),
        (245, "4:05 min"),
        (3723, "1:02:03 h"),
    ],
)
def test_a_duration_is_said_with_its_unit(seconds: float, said: str) -> None:
    assert said == say_seconds(seconds)


@pytest.mark.parametrize(("seconds", "said"), [(-1, "0:00"), (42.4, "0:42"), (3723, "1:02:03")])
def test_a_clock_never_runs_below_zero(seconds: float, said: str) -> None:
    assert said == say_clock(seconds)


def test_a_count_agrees_with_its_word() -> None:
    assert ["1 test", "0 tests", "2 processes"] == [say_count(1, "test"), say_count(0, "test"), say_count(2, "process")]


AWAY = NodeJoined("n", "lab1\x1b", 1, labels={"way": "ssh"})


@pytest.mark.parametrize(
    ("node", "seen", "said"),
    [
        (NodeJoined("n", "here", 1), None, ""),
        (NodeJoined("n", "here", 1, labels={"way": "local"}), NodeHealth("n", Liveness.ACTIVE), ""),
        (AWAY, None, "on lab1␛"),
        (
            AWAY,
            NodeHealth("n", Liveness.ACTIVE, clock_offset=41.23, clock_uncertainty=0.1, link_breaks=1),
            "on lab1␛; clock 41.2 s ahead; link broke 1 time",
        ),
        (
            AWAY,
            NodeHealth("n", Liveness.ACTIVE, clock_offset=0.1, clock_uncertainty=0.2, link_breaks=0),
            "on lab1␛",
        ),
    ],
)
def test_a_place_is_said_where_it_is_another(node: NodeJoined, seen: NodeHealth | None, said: str) -> None:
    assert said == say_place(node, seen)


def test_a_variant_stands_in_parentheses() -> None:
    assert say_test("pay", "browser=chrome") == "pay (browser=chrome)"


@pytest.mark.parametrize(
    ("status", "reason", "flaky", "said"),
    [
        (Status.PASSED, None, False, "passed"),
        (Status.PASSED, None, True, "flaky"),
        (Status.FAILED, Reason.EXIT_CODE, False, "failed (exit_code)"),
        (Status.ERROR, Reason.TIMEOUT, False, "error (timeout)"),
        (Status.SKIPPED, Reason.SKIP, False, "skipped"),
        (Status.SKIPPED, Reason.XFAIL, False, "xfailed"),
    ],
)
def test_a_verdict_is_said_with_its_reason(status: Status, reason: Reason | None, flaky: bool, said: str) -> None:
    assert said == say_verdict(TestClosed("t", "", status, reason, flaky, 1))


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [
        ({"os": "linux", "browser": ("chrome", "firefox"), "gpu": True, "display": False}, "linux chrome,firefox gpu"),
        ({"memory": 8 * 2**30, "cpus": 4, "python": "3.12.1"}, "8GB cpus=4 python=3.12.1"),
        ({"memory": "8GB"}, "8GB"),
    ],
)
def test_capabilities_are_said_in_short(capabilities: dict[str, CapabilityValue], said: str) -> None:
    assert said == say_capabilities(capabilities)
