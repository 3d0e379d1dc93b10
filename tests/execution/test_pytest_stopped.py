"""A test may stop any process above it: the others have their verdicts, the session its end, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest

from pulseq.models import Status

pytestmark = pytest.mark.system

BODY = """
    import os, signal, time

    def test_before(): pass

    def above(levels):
        pid = os.getpid()
        for _ in range(levels):
            pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        return pid

    def test_stops():
        HOW
        os.kill(victim, signal.SIGSTOP)

    def test_after(): pass
"""
KEEPER, ZYGOTE, GUARDIAN = "victim = above(1)", "victim = above(2)", "victim = above(3)"
#: The guardian's first child.
CONTROLLER = "victim = int(open(f'/proc/{above(3)}/task/{above(3)}/children').read().split()[0])"
#: With interpreters of their own, runners have no zygote above them.
GUARDIAN_OF_INTERPRETERS = "victim = above(2)"
#: By isolation, what a test stops.
VICTIMS = {
    "fork": {"keeper": KEEPER, "zygote": ZYGOTE, "guardian": GUARDIAN, "controller": CONTROLLER},
    "interpreter": {"keeper": KEEPER, "guardian": GUARDIAN_OF_INTERPRETERS},
}


def left_in(path: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(path)]


@pytest.mark.parametrize(
    "timeout",
    [pytest.param(None, id="without-timeout", marks=pytest.mark.slow), pytest.param(3.0, id="with-timeout")],
)
@pytest.mark.parametrize("isolation", VICTIMS)
def test_what_is_above_a_test_goes_on(suite: Any, isolation: str, timeout: float | None) -> None:
    """Each victim in a session of its own, side by side: all of them wait for the same looks."""
    folders = {
        name: suite({"test_stops.py": textwrap.dedent(BODY).replace("HOW", how)}, name)
        for name, how in VICTIMS[isolation].items()
    }

    async def main() -> list[Any]:
        return await asyncio.gather(
            *(folder.run_beside(seconds=timeout, isolation=isolation) for folder in folders.values())
        )

    for (name, folder), run in zip(folders.items(), asyncio.run(main()), strict=True):
        assert run.verdicts() == {"test_before": "passed", "test_stops": "passed", "test_after": "passed"}, name
        assert (run.ended.exit_status, run.ended.error) == (0, None), name
        assert left_in(folder.path) == [], name


def test_a_test_that_hangs_after_it_has_stopped_its_keeper_has_its_timeout(suite: Any) -> None:
    folder = suite({"test_stops.py": textwrap.dedent(BODY).replace("HOW", f"{KEEPER}; time.sleep(0)")})
    (folder.path / "test_hangs.py").write_text(
        "import os, signal, time\ndef test_hangs():\n    os.kill(os.getppid(), signal.SIGSTOP); time.sleep(600)\n"
    )
    run = folder.run(timeout=2.0)
    assert run["test_hangs"].reason == "timeout"
    assert [run[name].status for name in ("test_before", "test_stops", "test_after")] == [Status.PASSED] * 3


@pytest.mark.slow
def test_what_somebody_stops_again_and_again_is_ended(suite: Any) -> None:
    """The test that ran then is in error; the others have their verdicts."""
    stop = """
    import os, signal
    def test_stops():
        keeper = os.getppid()
        while os.getppid() == keeper:
            os.kill(keeper, signal.SIGSTOP)
    def test_after(): pass
    """
    folder = suite({"test_stops.py": textwrap.dedent(stop)})
    run = folder.run()
    assert run.verdicts() == {"test_stops": "error", "test_after": "passed"}
    assert left_in(folder.path) == []


def test_a_session_that_ends_ends_what_is_stopped(suite: Any) -> None:
    folder = suite({"test_one.py": "def test_one(): pass\n"})

    async def main() -> list[psutil.Process]:
        session = folder.session()
        try:
            await session.collect()
            there = left_in(folder.path)
            for process in there:
                process.suspend()
        finally:
            await session.close()
        return there

    assert len(asyncio.run(main())) > 2
    assert left_in(folder.path) == []
    assert os.listdir(folder.temp) == []


def test_a_runner_that_is_stopped_before_it_begins_goes_on(suite: Any) -> None:
    """No test of it has begun, so that no timeout would end the wait for it."""
    conftest = """
    import os, signal
    generation = 0
    def stop():
        global generation
        generation += 1  # the keeper's is the first, the runner's the second
        if generation == 2 and not os.path.exists("stopped"):
            open("stopped", "w").close()
            os.kill(os.getpid(), signal.SIGSTOP)
    os.register_at_fork(after_in_child=stop)
    """
    folder = suite({"conftest.py": conftest, "test_one.py": "def test_one(): pass\n"})
    run = folder.run(timeout=30.0, isolation="fork")
    assert run.verdicts() == {"test_one": "passed"}
    assert (folder.path / "stopped").exists()
