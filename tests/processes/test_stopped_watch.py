"""A watch over real processes that somebody stops."""

import asyncio
import signal
import sys
from collections.abc import Callable

import psutil
import pytest

from pulseq.processes import stopped_watch
from pulseq.processes.handle import ProcessHandle
from pulseq.processes.stopped_watch import StoppedWatch

pytestmark = pytest.mark.processes

PATIENCE_SECONDS = 60.0
STOPS_ITSELF = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
#: Whoever continues it, somebody is there who stops it again.
STOPS_FOR_EVER = f"{STOPS_ITSELF}\nwhile True: os.kill(os.getpid(), signal.SIGSTOP)"


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopped_watch, "LOOK_SECONDS", 0.05)


def watch(program: str, look: Callable[[int], object] = bool, **options: int) -> tuple[list[int], int]:
    """The signals that a process got, and how it ended; `look` is called with its number at each of them."""

    async def main() -> tuple[list[int], int]:
        sent: list[int] = []
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)

        def note(number: int) -> None:
            sent.append(number)
            look(process.pid)

        handle = ProcessHandle(process.pid)
        watched = StoppedWatch(handle, note, **options)
        try:
            return sent, await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)
        finally:
            watched.close()
            handle.close()
            if process.returncode is None:
                process.kill()

    return asyncio.run(main())


def test_who_is_stopped_goes_on() -> None:
    assert watch(STOPS_ITSELF) == ([signal.SIGCONT], 0)


def test_who_is_stopped_again_and_again_is_killed() -> None:
    sent, code = watch(STOPS_FOR_EVER)
    assert (sent[-1], code) == (signal.SIGKILL, -signal.SIGKILL)
    assert set(sent[:-1]) == {signal.SIGCONT}


def test_who_is_not_to_go_on_is_killed() -> None:
    assert watch(STOPS_ITSELF, continuations=0) == ([signal.SIGKILL], -signal.SIGKILL)


def test_the_owner_is_told_as_long_as_the_process_is_there() -> None:
    """Whoever wants to know what there is below it has to look before it is killed."""
    states: list[str] = []
    watch(STOPS_ITSELF, lambda pid: states.append(psutil.Process(pid).status()), continuations=0)
    assert states == [psutil.STATUS_STOPPED]
