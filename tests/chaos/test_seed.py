"""What a seed is judged by: a check that cannot fail would prove nothing."""

from __future__ import annotations

from pathlib import Path

from pulseq.events import AttemptFinished
from pulseq.models import AttemptResult, Status
from tests.chaos.faults import Fault
from tests.chaos.seed import Outcome, starts_that_are_wrong
from tests.system.workplace import Workplace


def passed(name: str, attempt: int) -> AttemptFinished:
    return AttemptFinished(AttemptResult(name, attempt, "n1", Status.PASSED))


def test_an_attempt_that_began_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "ran").write_text("a 1\nb 1\na 1\n")
    wrong = starts_that_are_wrong(Workplace(tmp_path, {}), [passed("a", 1), passed("b", 1)])
    assert ["attempt 'a 1' began 2 times"] == wrong


def test_a_pass_of_what_never_began_is_told(tmp_path: Path) -> None:
    (tmp_path / "ran").write_text("a 1\n")
    assert ["attempt 'b 1' passed and never began"] == starts_that_are_wrong(
        Workplace(tmp_path, {}), [passed("a", 1), passed("b", 1)]
    )


def test_what_began_and_was_lost_is_right(tmp_path: Path) -> None:
    (tmp_path / "ran").write_text("a 1\na 2\n")
    assert [] == starts_that_are_wrong(Workplace(tmp_path, {}), [passed("a", 2)])


def test_a_fault_and_an_outcome_say_what_they_are() -> None:
    assert "  1.5 s: STOP to node 7 for 2.0 s" == str(Fault(1.5, "node", 7, "STOP", 2.0))
    assert " 12.0 s: STOP to node 7 for good" == str(Fault(12.0, "node", 7, "STOP"))
    assert "  0.0 s: KILL to keeper 7" == str(Fault(0.0, "keeper", 7, "KILL"))
    outcome = Outcome(3, code=1, seconds=61.2, broken=["it hangs"])
    outcome.reasons.update(["passed", "passed", "node_lost"])
    assert "seed 3: exit 1 after 61 s, 0 faults: 1 node_lost, 2 passed\n  it hangs" == str(outcome)
