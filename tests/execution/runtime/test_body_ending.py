import signal

import pytest

from pulseq.execution.runtime.body_ending import Ending, decide, outcome, signal_name


def exited(code):
    return code << 8


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending(status=exited(0)), ("passed", None)),
        (Ending(status=exited(1)), ("failed", "exit_code")),
        (Ending(status=signal.SIGBUS), ("error", "crash")),
        (Ending(), ("error", "crash")),
        (Ending(status=exited(0), own_verdict=True), ("error", "crash")),
        (Ending(status=exited(0), own_verdict=True, verdict=outcome("passed")), ("passed", None)),
        (Ending(verdict=outcome("skipped", "skip", "why"), own_verdict=True), ("skipped", "skip")),
        (Ending(status=exited(0), memory_limit=10, peak_rss=11), ("error", "memory")),
        (Ending(status=exited(0), memory_limit=10, peak_rss=10), ("passed", None)),
        (Ending(status=exited(0), cause="timeout", timeout=1.0), ("error", "timeout")),
        (Ending(status=signal.SIGKILL, cause="output_limit", output_limit=1), ("error", "output_limit")),
        (Ending(cause="cancelled", verdict=outcome("passed")), ("error", "cancelled")),
    ],
)
def test_the_verdict_follows_from_how_it_ended(ending, expected):
    verdict = decide(ending)
    assert (verdict["status"], verdict["reason"]) == expected


def test_every_verdict_but_passed_says_why():
    causes = ["timeout", "memory", "output_limit", "cancelled"]
    endings = [Ending(cause=cause, timeout=1.0) for cause in causes] + [Ending(status=exited(1)), Ending(status=9)]
    assert all(decide(ending)["error"] for ending in endings)


def test_only_the_last_lines_of_output_are_in_the_error():
    error = decide(Ending(status=exited(1), output="\n".join(map(str, range(99))) + "\n\n" + "x" * 1000))["error"]
    assert error.splitlines() == ["exit code 1; its last output:", "95", "96", "97", "98", "x" * 300]


def test_a_kill_from_outside_hints_at_memory():
    assert signal_name(9) == "signal 9 (SIGKILL; the machine may have run out of memory)"


def test_a_signal_without_a_name_is_its_number():
    assert signal_name(250) == "signal 250 (unknown)"
