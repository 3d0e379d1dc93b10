"""Processes that tell an event loop of their end: whoever's children they are, and however they end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator

import psutil
import pytest

from pulseq.processes.spawn import spawn
from pulseq.processes.watched_process import UNKNOWN_CODE, OwnChild, WatchedProcess

pytestmark = pytest.mark.processes

PATIENCE_SECONDS = 60.0
WAITS = "import signal; signal.pause()"


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(work(), PATIENCE_SECONDS)

    asyncio.run(main())


def start(program: str) -> int:
    return spawn([sys.executable, "-c", program], environment=os.environ, errors=sys.__stderr__.buffer)  # type: ignore[union-attr]


@pytest.fixture
def others_child() -> Iterator[int]:
    """A process whose parent is another one, which waits for it."""
    program = f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {WAITS!r}])"
    program += "; print(c.pid, flush=True); c.wait()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        yield int(parent.stdout.readline())
        psutil.wait_procs([parent], timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("program", "code"), [("", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9)]
)
def test_the_return_code_of_a_child_is_known(program: str, code: int) -> None:
    async def work() -> None:
        child = OwnChild(start(program))
        told: list[int | None] = []
        child.on_end = lambda: told.append(child.returncode)
        assert (await child.wait(), told) == (code, [code])
        child.close()

    run(work)


def test_a_child_keeps_its_number_until_it_is_let_go_of() -> None:
    async def work() -> None:
        child = OwnChild(start(""))
        await child.wait()
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        child.close()
        assert not psutil.pid_exists(child.pid)

    run(work)


def test_what_does_not_heed_the_end_of_its_line_is_killed() -> None:
    async def work() -> None:
        child = OwnChild(start(WAITS))
        assert await child.end(0.0) == -signal.SIGKILL
        child.close()

    run(work)


def test_what_is_stopped_hears_the_end_of_its_line() -> None:
    async def work() -> None:
        child = OwnChild(start("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"))
        await asyncio.to_thread(os.waitid, os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert await child.end(PATIENCE_SECONDS) == 0
        child.close()

    run(work)


def test_a_whole_session_is_ended_with_its_leader() -> None:
    program = (
        f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {WAITS!r}]); print(c.pid, flush=True)"
    )

    async def work() -> None:
        reading, writing = os.pipe()
        with open(reading) as told, open(writing, "wb") as out:
            pid = spawn([sys.executable, "-c", program], environment=os.environ, errors=out, stdout=out)
            child = OwnChild(pid)
            left = psutil.Process(int(await asyncio.to_thread(told.readline)))
            assert await child.end(PATIENCE_SECONDS) == 0
            assert psutil.wait_procs([left], timeout=PATIENCE_SECONDS)[1] == []
            child.close()

    run(work)


def test_the_end_of_anothers_child_is_heard_and_its_code_is_not(others_child: int) -> None:
    async def work() -> None:
        process = WatchedProcess(others_child)
        process.kill()
        assert await process.wait() == UNKNOWN_CODE
        process.close()

    run(work)


def test_what_is_let_go_of_lives_on_and_tells_nothing_more(others_child: int) -> None:
    async def work() -> None:
        process = WatchedProcess(others_child)
        process.close()
        process.kill()
        with WatchedProcess(others_child) as again:
            assert not again.has_ended()
            again.kill()
            await again.wait()
        assert not process.ended.is_set()

    run(work)


def test_a_child_that_was_let_go_of_is_not_killed_by_its_number() -> None:
    """Its number may be somebody else's."""

    async def work() -> None:
        child = OwnChild(start(""))
        await child.wait()
        child.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "killpg", lambda *_: pytest.fail("somebody was signalled"))
            child.kill()
            assert await child.end(0.0) == 0

    run(work)
