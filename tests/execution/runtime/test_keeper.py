import sys
import time

import pytest

from pulseq.execution.runtime.output import KEPT_BYTES
from pulseq.models import CommandBody
from tests.promises import OUTLIVED_SECONDS


def shell(line):
    return CommandBody((line,), shell=True)


def python(code):
    return CommandBody((sys.executable, "-c", code))


STUBBORN = """
trap '' TERM
setsid sh -c 'trap "" TERM; echo $$ >> pids; echo up >> ready; while :; do sleep 1; done' &
echo $$ >> pids
while [ ! -s ready ]; do sleep 0.01; done
while :; do sleep 1; done
"""


def pids(tmp_path):
    return [int(word) for word in (tmp_path / "cwd" / "pids").read_text().split()]


@pytest.mark.system
def test_a_body_that_ignores_sigterm_is_killed_with_its_daemons(run_body, verdict, is_alive, tmp_path):
    result = run_body(shell(STUBBORN), timeout=1)
    assert verdict(result) == ("error", "timeout")
    assert result.error == "timeout: still running after 1 s, so it was ended"
    assert result.duration <= 1 + OUTLIVED_SECONDS
    assert result.leaked_processes >= 1
    assert [is_alive(pid) for pid in pids(tmp_path)] == [False, False]


def test_a_body_may_clean_up_when_it_is_told_to_end(run_body, verdict):
    result = run_body(shell("trap 'echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.02; done"), timeout=0.3)
    assert verdict(result) == ("error", "timeout")
    assert result.output.endswith("cleaned\n")


def test_a_body_that_stops_itself_runs_into_its_timeout(run_body, verdict):
    assert verdict(run_body(shell("kill -STOP $$"), timeout=0.3)) == ("error", "timeout")


def test_what_a_body_leaves_behind_is_killed_and_counted(run_body, verdict, is_alive, tmp_path):
    line = "sleep 300 & echo $! >> pids; setsid sleep 300 & echo $! >> pids; (setsid sleep 300 &) ; echo done"
    result = run_body(shell(line))
    assert (verdict(result), result.leaked_processes, result.output) == (("passed", None), 3, "done\n")
    assert [is_alive(pid) for pid in pids(tmp_path)] == [False, False]


def test_a_grandchild_on_the_output_does_not_delay_the_verdict(run_body, verdict):
    code = """
import os, signal
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pause()
print("told")
"""
    result = run_body(python(code))
    assert (verdict(result), result.output, result.leaked_processes) == (("passed", None), "told\n", 1)


def test_what_ends_together_with_the_body_was_not_left_behind(run_body):
    # A busy machine may keep the sleeper from its end for longer than anybody waits for it.
    assert any(run_body(shell("sleep 0.005 & true")).leaked_processes == 0 for _ in range(5))


def test_endless_output_ends_at_its_limit(run_body, verdict):
    result = run_body(CommandBody(("yes",)), output_limit=1_000_000)
    assert verdict(result) == ("error", "output_limit")
    assert result.error == "wrote more output than its limit of 1000000 bytes, so it was ended"
    head, told, tail = result.output.partition("\n[... ")
    assert len(head) == KEPT_BYTES == len(tail.partition(" bytes left out ...]\n")[2])
    assert told


def test_endless_output_without_a_limit_ends_at_the_timeout(run_body, verdict):
    result = run_body(CommandBody(("yes",)), timeout=0.3)
    assert verdict(result) == ("error", "timeout")
    assert result.output_bytes > 1_000_000


@pytest.mark.system
def test_a_line_of_200_mb_is_kept_head_and_tail_in_flat_memory(run_body, verdict):
    peaks = []
    for length in (300_000, 200_000_000):
        # The shell asks for its parent's, the keeper's, peak: /proc knows it in kB.
        line = f"yes | tr -d '\\n' | head -c {length}; grep VmHWM /proc/$PPID/status"
        result = run_body(shell(line), timeout=60)
        assert (verdict(result), result.output.startswith("yyyy")) == (("passed", None), True)
        assert result.output_bytes > length
        peaks.append(int(result.output.split()[-2]))
    assert peaks[1] - peaks[0] < 1_000


def test_binary_output_is_text_afterwards(run_body):
    assert run_body(shell(r"printf 'a\377\000b'")).output == "a\ufffd\0b"


def test_a_body_over_its_memory_limit_is_ended(run_body, verdict):
    eater = "x = bytearray(300_000_000); import time; time.sleep(60)"
    result = run_body(python(eater), memory_limit=100_000_000)
    assert verdict(result) == ("error", "memory")
    assert result.error.endswith("more than its limit of 100.0 MB")
    assert result.metrics["memory_usage"] > 100


def test_memory_is_that_of_the_whole_tree(run_body, verdict):
    code = f"{sys.executable} -c 'x = bytearray(80_000_000); import time; time.sleep(60)'"
    result = run_body(shell(f"{code} & {code} & wait"), memory_limit=120_000_000)
    assert verdict(result) == ("error", "memory")


def test_a_short_peak_between_two_looks_counts_too(run_body, verdict):
    result = run_body(python("x = bytearray(150_000_000)"), memory_limit=100_000_000)
    assert verdict(result) == ("error", "memory")


def burn(seconds):
    return f"import time\nwhile time.process_time() < {seconds}: pass"


def test_time_memory_and_cpu_are_measured(run_body):
    code = "x = bytearray(50_000_000)\n" + burn(0.3)
    metrics = run_body(python(code)).metrics
    assert metrics["duration"] >= 0.2
    assert metrics["response_time"] == metrics["duration"]
    assert 50 < metrics["memory_usage"] < 150
    assert 0 < metrics["cpu_usage"] <= 200


def test_cpu_of_grandchildren_that_outlived_the_body_counts(run_body):
    result = run_body(shell(f"{sys.executable} -c '{burn(0.5)}' & sleep 0.4"))
    assert result.leaked_processes == 1
    assert result.metrics["cpu_usage"] > 10


def test_reported_metrics_are_kept_and_bad_ones_are_warnings(run_body, verdict):
    lines = ['{"rows": 3}', '{"bad": NaN}', "junk"]
    line = "; ".join(f"echo '{line}' >> $PULSEQ_METRICS" for line in lines)
    result = run_body(shell(line), metrics=("rows", "memory_usage", "missing"))
    assert (verdict(result), result.metrics["rows"]) == (("passed", None), 3.0)
    assert "bad" not in result.metrics
    assert result.warnings == (
        "metrics, line 2: 'bad' is not a finite number: nan",
        "metrics, line 3: expected a JSON object, found 'junk'",
        "the metric 'missing' was not reported",
    )


def test_a_body_cannot_reach_its_keepers_line(run_body):
    open_files = run_body(python("import os; print(sorted(os.listdir('/proc/self/fd')))")).output
    assert open_files == "['0', '1', '2', '3']\n"


def test_a_body_is_in_a_session_of_its_own(run_body):
    code = "import os; print(os.getsid(0) == os.getpid(), os.getsid(0) == os.getsid(os.getppid()))"
    assert run_body(python(code)).output == "True False\n"


def test_a_body_that_signals_its_group_ends_itself_alone(run_body, verdict):
    assert verdict(run_body(shell("kill -TERM 0; sleep 60"))) == ("error", "crash")


def test_a_body_that_kills_its_keeper_has_crashed_and_dies(run_body, verdict, is_alive, wait_until, tmp_path):
    result = run_body(shell("echo $$ > pids; kill -KILL $PPID; sleep 300"))
    assert verdict(result) == ("error", "crash")
    assert result.error == "the process that kept the test was killed"
    assert [is_alive(pid) for pid in pids(tmp_path)] == [False]


def test_started_at_is_wall_clock_time(run_body):
    before = time.time()
    assert before <= run_body(CommandBody(("true",))).started_at <= time.time()
