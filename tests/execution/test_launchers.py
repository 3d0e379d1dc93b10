import asyncio
import errno
import os
import signal
import subprocess
import sys

import pytest

from pulseq.execution import launchers
from pulseq.execution.launchers import LauncherError, LauncherPool


@pytest.fixture
def in_pool(tmp_path):
    """`in_pool(scenario)` awaits `scenario(pool)` and closes the pool."""

    def run(scenario):
        async def main():
            pool = LauncherPool(tmp_path, os.environ)
            try:
                return await scenario(pool)
            finally:
                await pool.close()

        return asyncio.run(main())

    return run


def test_an_interpreter_has_one_launcher_however_many_ask(in_pool):
    async def scenario(pool):
        found = await asyncio.gather(*(pool.get(sys.executable) for _ in range(5)))
        return len(set(found))

    assert in_pool(scenario) == 1


def test_a_launcher_that_died_is_replaced(in_pool):
    async def scenario(pool):
        first = await pool.get(sys.executable)
        os.kill(first.pid, signal.SIGKILL)
        await asyncio.to_thread(first._process.has_ended, 60.0)
        second = await pool.get(sys.executable)
        return first.is_alive, second.is_alive

    assert in_pool(scenario) == (False, True)


def test_a_condemned_launcher_is_replaced(in_pool):
    async def scenario(pool):
        first = await pool.get(sys.executable)
        first.condemn()
        return await pool.get(sys.executable) is first

    assert in_pool(scenario) is False


def test_closing_ends_the_process(in_pool):
    async def scenario(pool):
        launcher = await pool.get(sys.executable)
        await pool.close()
        return launcher._process.returncode

    assert in_pool(scenario) == 0


def test_an_interpreter_that_is_never_ready_is_refused(in_pool, tmp_path, monkeypatch):
    monkeypatch.setattr(launchers, "READY_SECONDS", 0.1)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)

    async def scenario(pool):
        await pool.get(str(python))

    with pytest.raises(LauncherError, match=r"was not ready to run tests after 0\.1 s"):
        in_pool(scenario)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_a_machine_that_can_start_nothing_is_not_blamed_on_the_interpreter(in_pool, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refuse)

    async def scenario(pool):
        await pool.get(sys.executable)

    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        in_pool(scenario)
    assert not isinstance(caught.value, LauncherError)
