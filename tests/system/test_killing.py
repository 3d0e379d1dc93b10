"""What dies, and what must not outlive it."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import Workplace, finish, until

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1] + ".grandchild", "w").write(str(os.getpid()))
    time.sleep(60)
    os._exit(0)
open(sys.argv[1] + ".body", "w").write(str(os.getpid()))
time.sleep(60)
"""


def _pids(place: Path) -> list[int]:
    return [int((place / f"stubborn{kind}").read_text()) for kind in (".body", ".grandchild")]


@pytest.mark.slow
def test_a_timeout_ends_a_body_that_ignores_sigterm_and_the_grandchild_it_has_set_free(workplace: Workplace) -> None:
    workplace.write("stubborn.py", STUBBORN)
    suite = workplace.write(
        "suite.yaml",
        "suite: stubborn\ntests:\n  - {id: stubborn, timeout: 5, command: [python, stubborn.py, stubborn]}\n",
    )

    run = workplace.run("run", suite, "-n", "1", "--output", "json")

    assert run.code == 1, run.err
    (row,) = workplace.sql("select status, reason, duration from results")
    assert (row["status"], row["reason"]) == ("error", "timeout")
    assert row["duration"] <= 5 + OUTLIVED_SECONDS
    assert not any(psutil.pid_exists(pid) for pid in _pids(workplace.path))


def test_nothing_outlives_a_run_that_is_killed(bare_workplace: Workplace) -> None:
    workplace = bare_workplace
    workplace.write("stubborn.py", STUBBORN)
    suite = workplace.write(
        "suite.yaml", "suite: stubborn\ntests:\n  - {id: stubborn, command: [python, stubborn.py, stubborn]}\n"
    )
    run = workplace.start("run", suite, "-n", "2")
    until(lambda: (workplace.path / "stubborn.grandchild").exists(), "the body has started")
    assert len(workplace.processes()) >= 6  # driver, server, scheduler, two nodes, the body and more

    os.kill(run.pid, signal.SIGKILL)
    run.wait()

    until(lambda: not workplace.processes(), "every process of the run is gone", OUTLIVED_SECONDS)
    assert not any(psutil.pid_exists(pid) for pid in _pids(workplace.path))
    assert list(workplace.temp.glob("pulseq-*")) == []


def test_a_killed_node_loses_no_verdict_and_nothing_that_had_finished_runs_again(workplace: Workplace) -> None:
    workplace.write("note.py", "import os, sys, time\nopen('ran', 'a').write(sys.argv[1] + '\\n')\ntime.sleep(0.1)\n")
    tests = "".join(f"  - {{id: t{i}, command: [python, note.py, t{i}]}}\n" for i in range(100))
    suite = workplace.write("suite.yaml", f"suite: hundred\ntests:\n{tests}")
    run = workplace.start("run", suite, "-n", "3", "--run-id", "r1")
    verdicts = _closed(workplace, "r1")
    until(lambda: len(_closed(workplace, "r1")) >= 30, "thirty verdicts are there")
    node = workplace.nodes()["node2"]
    finished_before = set(_closed(workplace, "r1"))

    os.kill(node.pid, signal.SIGKILL)
    ended = finish(run)

    assert ended.code == 0, ended.err
    verdicts = _closed(workplace, "r1")
    assert len(verdicts) == 100
    assert set(Counter(verdicts).values()) == {1}
    starts = Counter((workplace.path / "ran").read_text().split())
    assert {test for test in finished_before if starts[test] > 1} == set()
    lost = workplace.sql("select test_id, attempt from attempts where reason = 'node_lost'")
    # The node had one slot: what ran there, and perhaps what had ended a moment before and was not told yet.
    assert len(lost) <= 2
    assert all(row["attempt"] == 1 for row in lost)
    (counts,) = workplace.sql("select total_tests, passed, flaky from run_summary")
    assert counts == {"total_tests": 100, "passed": 100, "flaky": 0}


def _closed(workplace: Workplace, run_id: str) -> list[str]:
    return [line["data"]["test_id"] for line in workplace.journal(run_id) if line["kind"] == "test_closed"]


def _started(workplace: Workplace, run_id: str) -> list[str]:
    return [line["data"]["test_id"] for line in workplace.journal(run_id) if line["kind"] == "attempt_started"]


def _is_attempt(line: dict[str, Any], test_id: str) -> bool:
    return line["kind"] == "attempt_finished" and line["data"]["result"]["test_id"] == test_id


def test_a_test_that_kills_its_node_every_time_is_named_and_the_others_finish(workplace: Workplace) -> None:
    workplace.write(
        "killer.py",
        # body, keeper, launcher, node: the node is the body's great-grandparent
        "import os, signal, psutil\n"
        "node = next(p for p in psutil.Process().parents() if 'pulseq.node.node_process' in p.cmdline())\n"
        "os.kill(node.pid, signal.SIGKILL)\n",
    )
    others = "".join(f"  - {{id: t{i}, simulate: {{duration: 0.05}}}}\n" for i in range(20))
    suite = workplace.write(
        "suite.yaml",
        f"suite: killer\ntests:\n  - {{id: killer, priority: critical, command: {sys.executable} killer.py}}\n{others}",
    )

    run = workplace.run("run", suite, "-n", "2", "--output", "json")

    assert run.code == 10, run.err
    (killer,) = workplace.sql("select status, reason, attempts, error from results where test_id = 'killer'")
    assert (killer["status"], killer["reason"], killer["attempts"]) == ("error", "node_lost", 2)
    assert "probably what kills them" in killer["error"]
    assert run.json["counts"]["passed"] == 20


def test_an_interrupt_ends_bodies_keeps_verdicts_and_exits_2(workplace: Workplace) -> None:
    tests = "".join(f"  - {{id: t{i}, command: [sleep, '0.1']}}\n" for i in range(5))
    suite = workplace.write(
        "suite.yaml", f"suite: stop\ntests:\n{tests}  - {{id: long, priority: low, command: [sleep, '61.5']}}\n"
    )
    run = workplace.start("run", suite, "-n", "1", "--run-id", "r1", "--output", "json")
    until(lambda: "long" in _started(workplace, "r1"), "the long test runs")
    assert 5 == len(_closed(workplace, "r1"))

    os.kill(run.pid, signal.SIGINT)
    ended = finish(run)

    assert ended.code == 2, ended.err
    (heard,) = [line for line in workplace.journal("r1") if "interrupted by SIGINT" in line["data"].get("text", "")]
    (over,) = [line for line in workplace.journal("r1") if _is_attempt(line, "long")]
    assert over["time"] - heard["time"] <= OUTLIVED_SECONDS
    counts = ended.json["counts"]
    assert (counts["passed"], counts["total"]) == (5, 6)
    (row,) = workplace.sql("select status, reason from results where test_id = 'long'")
    assert (row["status"], row["reason"]) == ("error", "cancelled")


def test_a_second_interrupt_leaves_at_once_and_the_run_is_closed_and_told(workplace: Workplace) -> None:
    tests = "".join(f"  - {{id: t{i}, command: [sleep, '0.1']}}\n" for i in range(5))
    # A body that heeds no wish to end, so that the run would wait for it.
    stubborn = "trap '' TERM INT; sleep 61.6"
    suite = workplace.write(
        "suite.yaml",
        f'suite: stop\ntests:\n{tests}  - {{id: long, priority: low, shell: true, command: "{stubborn}"}}\n',
    )
    run = workplace.start("run", suite, "-n", "1", "--run-id", "r1")
    until(lambda: len(_closed(workplace, "r1")) >= 5, "the short tests are done")
    # Tests may be done before the run's server has loaded: then there would be no flow run to be ended.
    until(lambda: "prefect_run_known" in str(workplace.journal("r1")), "the run has its flow run")

    os.kill(run.pid, signal.SIGINT)
    until(lambda: "interrupted by SIGINT" in str(workplace.journal("r1")), "the run has heard of it")
    os.kill(run.pid, signal.SIGINT)
    ended = finish(run)

    assert ended.code == 2, ended.err
    told = ended.err.splitlines()
    assert ["again", "Prefect", "summary"] == [line.split()[0] for line in told[-3:]]
    assert {"run       r1", "summary   pulseq summary r1"} <= set(told)
    assert "cancelled" not in "".join(line for line in told if "═" not in line)
    (row,) = workplace.sql("select exit_reason, finished_at is not null as ended from runs")
    assert ("interrupted", True) == (row["exit_reason"], row["ended"])
    rows = workplace.sql("select test_id, status, reason from results order by test_id")
    assert [("long", "error", "cancelled")] + [(f"t{i}", "passed", None) for i in range(5)] == [
        (row["test_id"], row["status"], row["reason"]) for row in rows
    ]
    assert 0 == workplace.run("summary", "r1").code
    assert "1 flow run and" in workplace.run("results", "sync", "--prefect").err
    until(lambda: not workplace.processes(), "nothing is left of the run", OUTLIVED_SECONDS)


def test_a_deadline_stops_the_run_with_its_own_exit_code(workplace: Workplace) -> None:
    suite = workplace.write("suite.yaml", "suite: late\ntests:\n  - {id: long, command: [sleep, '62.5']}\n")

    run = workplace.run("run", suite, "-n", "1", "--deadline", "8", "--output", "json")

    assert run.code == 124, run.err
    assert run.json["reason"] == "deadline"
    (row,) = workplace.sql("select reason, duration from results")
    assert row["reason"] == "cancelled"
    assert row["duration"] <= 8 + OUTLIVED_SECONDS
