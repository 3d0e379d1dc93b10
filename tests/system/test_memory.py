"""A machine without memory left: what the kernel ends first is not what is to blame."""

from __future__ import annotations

import pytest

from tests.control_group import enter, little_memory, take_all
from tests.system.workplace import Workplace, finish, until

HOLDS = (
    "import os, time; again = os.environ['PULSEQ_ATTEMPT'] != '1'; held = b'x' * (120 << 20); "
    "open('began', 'w').close(); time.sleep(0 if again else 600)"
)


@pytest.mark.parametrize("reruns", [pytest.param("0", marks=pytest.mark.slow), "1"])
def test_an_innocent_that_the_kernel_has_ended_passes_at_its_next_attempt(workplace: Workplace, reruns: str) -> None:
    suite = workplace.write(
        "suite.yaml", f'suite: little\ntests:\n  - {{id: innocent, command: [python, -S, -c, "{HOLDS}"]}}\n'
    )

    with little_memory(600 << 20) as group:
        run = workplace.start("run", suite, "-n", "2", "--reruns", reruns, "--output", "json")
        enter(group, run.pid)
        until(lambda: (workplace.path / "began").exists(), "the innocent one holds its memory")
        take_all(group)
        ended = finish(run)

    assert ended.code == 0, ended.err
    attempts = workplace.sql("select attempt, status, reason from attempts order by attempt")
    assert [tuple(one.values()) for one in attempts] == [(1, "error", "node_lost"), (2, "passed", None)]
    assert workplace.sql("select flaky, attempts from results") == [{"flaky": False, "attempts": 2}]
