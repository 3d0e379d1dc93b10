"""A runner that hangs or crashes is ended alone, blamed on its test, and replaced."""

from __future__ import annotations

import asyncio
import os
import textwrap
from typing import Any

import pytest

from pulseq.models import Reason, Status
from pulseq.pytest_sessions import PytestOrder
from tests.promises import OUTLIVED_SECONDS

REST = "def test_before(): pass\n{}\ndef test_after(): pass\n"


def is_gone(pid_file: Any) -> bool:
    try:
        with open(f"/proc/{pid_file.read_text()}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("import os; os._exit(3)", "its process ended with exit code 3 before a verdict"),
        ("import os; os.abort()", "ended by signal 6 (SIGABRT)"),
        ("import ctypes; ctypes.string_at(0)", "ended by signal 11 (SIGSEGV)"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9 (SIGKILL"),
    ],
)
def test_a_crash_is_blamed_on_the_test_that_ran(body: str, error: str, suite: Any) -> None:
    run = suite({"test_crash.py": REST.format(f"def test_crash():\n    {body}\n")}).run()
    crash = run["test_crash"]
    assert run.verdicts() == {"test_before": "passed", "test_crash": "error", "test_after": "passed"}
    assert (crash.status, crash.reason) == (Status.ERROR, Reason.CRASH)
    assert error in (crash.error or "")


def test_what_a_crashed_test_had_written_is_its_output(suite: Any) -> None:
    body = "def test_crash():\n    print('last words', flush=True)\n    import os; os._exit(3)\n"
    assert "last words" in suite({"test_crash.py": body}).run()["test_crash"].output


def test_a_crash_shows_where_it_was(suite: Any) -> None:
    run = suite({"test_crash.py": "def test_crash():\n    import ctypes; ctypes.string_at(0)\n"}).run()
    assert "Segmentation fault" in run["test_crash"].output
    assert "in test_crash" in run["test_crash"].output


def test_a_hung_test_that_ignores_sigterm_is_ended_with_its_daemons(suite: Any) -> None:
    hang = """
    def test_hang():
        import os, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        open("runner", "w").write(str(os.getpid()))
        open("daemon", "w").write(str(child.pid))
        time.sleep(600)
    """
    folder = suite({"test_hang.py": REST.format(textwrap.dedent(hang))})
    run = folder.run(timeout=1.0)
    hung = run["test_hang"]
    assert run.verdicts() == {"test_before": "passed", "test_hang": "error", "test_after": "passed"}
    assert (hung.reason, hung.leaked_processes) == (Reason.TIMEOUT, 1)
    assert hung.duration <= 1 + OUTLIVED_SECONDS
    assert "still running after 1 s" in (hung.error or "")
    assert "in test_hang" in hung.output
    assert is_gone(folder.path / "runner")
    assert is_gone(folder.path / "daemon")


def test_a_test_that_stops_itself_runs_into_its_timeout(suite: Any) -> None:
    body = "def test_stops():\n    import os, signal; os.kill(os.getpid(), signal.SIGSTOP)\n"
    run = suite({"test_stop.py": REST.format(body)}).run(timeout=1.0)
    assert run["test_stops"].reason == Reason.TIMEOUT
    assert run["test_after"].status == Status.PASSED


def test_every_test_of_a_batch_may_crash(suite: Any) -> None:
    body = "import os, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_crash(n): os._exit(n)\n"
    run = suite({"test_crash.py": body}).run()
    assert [result.reason for result in run.results] == [Reason.CRASH] * 6


def test_a_flood_of_output_is_kept_at_both_ends(suite: Any) -> None:
    body = """
    def test_flood():
        print("first line")
        for _ in range(200):
            print("x" * 10_000)
        print("last line")
    """
    output = suite({"test_flood.py": body}).run()["test_flood"].output
    assert "first line" in output
    assert "last line" in output
    assert len(output) < 70_000


@pytest.mark.parametrize("capture", ["no", "sys"])
def test_output_past_the_capturing_belongs_to_its_test(capture: str, suite: Any) -> None:
    body = "import os\ndef test_a(): os.write(1, b'from a')\ndef test_b(): os.write(1, b'from b')\n"
    run = suite({"test_raw.py": body}).run(args=(f"--capture={capture}",))
    assert [result.output.strip() for result in run.results] == ["from a", "from b"]


def test_a_runner_that_waits_after_each_test_does_not_wait_until_verdicts_have_gathered(suite: Any) -> None:
    gather = "from _pulseq_runtime import pytest_keeper\npytest_keeper._GATHER_SECONDS = 3600.0\n"
    body = "import pytest\n@pytest.mark.parametrize('number', range(9))\ndef test_quick(number): pass\n"
    running = suite({"conftest.py": gather, "test_quick.py": body}).run_beside(args=("--capture=no",))
    run = asyncio.run(asyncio.wait_for(running, 60))
    assert [result.status for result in run.results] == [Status.PASSED] * 9


def test_pytest_exit_in_a_test_does_not_take_the_rest_along(suite: Any) -> None:
    run = suite({"test_exit.py": REST.format("def test_exit():\n    import pytest; pytest.exit('enough')\n")}).run()
    assert run.verdicts() == {"test_before": "passed", "test_exit": "error", "test_after": "passed"}
    assert "enough" in (run["test_exit"].error or "")


def test_a_child_that_comes_back_from_a_fork_tells_nothing(suite: Any) -> None:
    body = "def test_forks():\n    import os\n    if os.fork(): os.wait()\n"
    run = suite({"test_fork.py": REST.format(body)}).run()
    assert [result.status for result in run.results] == [Status.PASSED] * 3


def test_the_end_of_the_node_is_the_end_of_everything(suite: Any) -> None:
    wait = """
    def test_wait():
        import os, time
        open("pid", "w").write(str(os.getpid()))
        time.sleep(600)
    """
    folder = suite({"test_wait.py": wait})

    async def main() -> None:
        session = folder.session()
        order = PytestOrder("t", "", "test_wait.py::test_wait")
        running = asyncio.Event()
        call = asyncio.create_task(
            session.run_items([order], on_start=lambda order: running.set(), on_result=lambda result: None)
        )
        await running.wait()
        await session.close()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    asyncio.run(main())
    pid_file = folder.path / "pid"
    assert not pid_file.exists() or is_gone(pid_file)
    assert not os.listdir(folder.temp)
