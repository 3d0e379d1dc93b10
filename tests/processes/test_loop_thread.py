"""An event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from pulseq.processes.loop_thread import LoopThread


class Farewell:
    def __init__(self) -> None:
        self.said = 0

    async def __call__(self) -> None:
        self.said += 1


async def name_of_thread() -> str:
    return threading.current_thread().name


@pytest.fixture
def loop_threads() -> Callable[[], list[threading.Thread]]:
    """The loop_threads that have begun in this test; others of this process are none of its business."""
    before = set(threading.enumerate())
    return lambda: [one for one in threading.enumerate() if one.name == "pulseq-loop" and one not in before]


def test_nothing_is_started_before_it_is_needed(loop_threads: Callable[[], list[threading.Thread]]) -> None:
    farewell = Farewell()
    asyncio.run(LoopThread(farewell).stop())

    assert ([], 0) == (loop_threads(), farewell.said)


def test_a_coroutine_runs_in_the_thread_and_its_result_comes_back() -> None:
    async def main() -> str:
        thread = LoopThread(Farewell())
        try:
            return await thread.call(name_of_thread())
        finally:
            await thread.stop()

    assert "pulseq-loop" == asyncio.run(main())


def test_an_error_comes_back() -> None:
    async def fail() -> None:
        raise LookupError("no")

    async def main() -> None:
        thread = LoopThread(Farewell())
        try:
            await thread.call(fail())
        finally:
            await thread.stop()

    with pytest.raises(LookupError, match="no"):
        asyncio.run(main())


def test_stopping_says_farewell_once_and_leaves_no_thread(loop_threads: Callable[[], list[threading.Thread]]) -> None:
    farewell = Farewell()

    async def main() -> None:
        thread = LoopThread(farewell)
        await thread.call(name_of_thread())
        await thread.stop()
        await thread.stop()

    asyncio.run(main())

    assert ([], 1) == (loop_threads(), farewell.said)


def test_after_stopping_nothing_is_taken() -> None:
    async def main() -> None:
        thread = LoopThread(Farewell())
        await thread.call(name_of_thread())
        await thread.stop()
        await thread.call(name_of_thread())

    with pytest.raises(RuntimeError, match="the session was closed"):
        asyncio.run(main())


def test_one_thread_serves_several_loops_one_after_the_other() -> None:
    thread = LoopThread(Farewell())

    names = [asyncio.run(thread.call(name_of_thread())) for _ in range(2)]
    asyncio.run(thread.stop())

    assert ["pulseq-loop", "pulseq-loop"] == names


def test_cancelling_the_caller_cancels_what_runs_there() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def main() -> None:
        thread = LoopThread(Farewell())
        calling = asyncio.create_task(thread.call(wait()))
        await asyncio.to_thread(begun.wait)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await asyncio.to_thread(ended.wait)
        await thread.stop()

    asyncio.run(main())


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 2), reason="these Pythons start no thread from the end of a program on"
)
def test_a_program_that_forgets_it_ends_and_farewell_is_said() -> None:
    program = """
import asyncio
from pulseq.processes.loop_thread import LoopThread

async def farewell():
    print(await asyncio.to_thread(lambda: "farewell"))

async def nothing():
    pass

asyncio.run(LoopThread(farewell).call(nothing()))
print("the end")
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)

    assert ("the end\nfarewell\n", "") == (answer.stdout, answer.stderr)
