"""Children of a run, with real processes: started, told, watched and ended."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import InfrastructureError
from pulseq.processes import patience, stopped_watch
from pulseq.processes.local_process import LocalProcess

pytestmark = pytest.mark.processes

#: Far more than anything here takes; nothing waits for it to pass.
PATIENCE_SECONDS = 60.0
HEAD = """
import os, signal, socket, subprocess, sys, threading
from pulseq.processes.child import read_configuration, tell_owner, watch_lifeline
configuration = read_configuration()
"""
OBEDIENT = f"""{HEAD}
watch_lifeline(lambda: open(configuration["mark"], "w").close())
tell_owner({{"pid": os.getpid(), "got": configuration, "mode": os.environ.get("MODE")}})
threading.Event().wait()
"""
STUBBORN = f"""{HEAD}
signal.signal(signal.SIGTERM, signal.SIG_IGN)
tell_owner({{}})
threading.Event().wait()
"""
SILENT = f"""{HEAD}
watch_lifeline(lambda: None)
threading.Event().wait()
"""
WITH_A_CHILD = f"""{HEAD}
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
watch_lifeline(lambda: None)
tell_owner({{"child": child.pid}})
threading.Event().wait()
"""


MUTE = f"""{HEAD}
watch_lifeline(lambda: None)
socket.socket(fileno=0).shutdown(socket.SHUT_WR)
threading.Event().wait()
"""


@asynccontextmanager
async def running(directory: Path, source: str, **options: Any) -> AsyncIterator[LocalProcess]:
    (directory / "tiny_child.py").write_text(source)
    environment = {"PYTHONPATH": str(directory), **options.pop("environment", {})}
    configuration = {"mark": str(directory / "mark"), "text": "naïve \n"}
    process = await LocalProcess.start(
        "the child",
        "tiny_child",
        configuration,
        log_path=directory / "logs/child.log",
        environment=environment,
        **options,
    )
    try:
        yield process
    finally:
        await process.stop(0.0)


@contextmanager
def watching(pid: int) -> Iterator[Callable[[], bool]]:
    """Tells whether a process, whoever's child it is, ends; to be begun while it lives."""
    descriptor = os.pidfd_open(pid)
    try:
        yield lambda: bool(select.select([descriptor], [], [], PATIENCE_SECONDS)[0])
    finally:
        os.close(descriptor)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(work(), 2 * PATIENCE_SECONDS)

    asyncio.run(main())


def test_a_child_gets_its_configuration_and_says_when_it_is_ready(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, OBEDIENT, environment={"MODE": "fast"}) as process:
            message = await process.ready(PATIENCE_SECONDS)
            expected = {"mark": str(tmp_path / "mark"), "text": "naïve \n"}
            assert message == {"pid": process.pid, "got": expected, "mode": "fast"}
            assert process.alive
            # Runs of one session ask one after the other, and at once.
            again = [process.ready(PATIENCE_SECONDS), process.ready(PATIENCE_SECONDS)]
            assert [message, message] == await asyncio.gather(*again)

    run(work)


def test_what_lies_in_the_working_directory_is_not_imported_by_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "colorsys.py").write_text("raise SystemExit('a module of the suite')\n")
    monkeypatch.chdir(tmp_path / "here")
    importing = f"{HEAD}\nimport colorsys\nwatch_lifeline(lambda: None)\ntell_owner({{}})\nthreading.Event().wait()\n"

    async def work() -> None:
        async with running(tmp_path, importing) as process:
            assert {} == await process.ready(PATIENCE_SECONDS)

    run(work)


def test_a_child_is_the_leader_of_a_session_of_its_own(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, OBEDIENT) as process:
            assert os.getsid(process.pid) == process.pid

    run(work)


def test_a_child_that_is_told_to_stop_ends_in_its_own_way(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, OBEDIENT) as process:
            await process.ready(PATIENCE_SECONDS)
            await process.stop(PATIENCE_SECONDS)
            assert (process.alive, await process.wait(), (tmp_path / "mark").exists()) == (False, 0, True)

    run(work)


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, STUBBORN) as process:
            await process.ready(PATIENCE_SECONDS)
            await process.stop(0.05)
            assert await process.wait() == -signal.SIGKILL

    run(work)


def test_a_child_can_be_stopped_twice(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, OBEDIENT) as process:
            await process.stop()
            await process.stop()
            assert not process.alive

    run(work)


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, WITH_A_CHILD) as process:
            grandchild = (await process.ready(PATIENCE_SECONDS))["child"]
            with watching(grandchild) as ends:
                await process.stop(PATIENCE_SECONDS)
                assert (await process.wait(), ends()) == (0, True)

    run(work)


def test_a_killed_child_takes_its_session_along(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, WITH_A_CHILD) as process:
            grandchild = (await process.ready(PATIENCE_SECONDS))["child"]
            with watching(grandchild) as ends:
                process.kill()
                assert (await process.wait(), ends()) == (-signal.SIGKILL, True)

    run(work)


def test_a_child_that_ends_early_is_quoted(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, "import sys\nsys.exit('port 80 is taken')") as process:
            log = tmp_path / "logs/child.log"
            with pytest.raises(InfrastructureError) as raised:
                await process.ready(PATIENCE_SECONDS)
            assert str(raised.value) == f"the child ended while it started: port 80 is taken; log: {log}"

    run(work)


def test_a_child_that_ends_without_a_word_is_told_so(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, "import os\nos._exit(3)") as process:
            with pytest.raises(InfrastructureError, match="it left no word"):
                await process.ready(PATIENCE_SECONDS)

    run(work)


@pytest.mark.parametrize("source", [SILENT, MUTE])
def test_a_child_that_is_not_ready_in_time_is_named_with_its_log(tmp_path: Path, source: str) -> None:
    async def work() -> None:
        async with running(tmp_path, source) as process:
            with pytest.raises(InfrastructureError) as raised:
                await process.ready(0.05)
            assert str(tmp_path / "logs/child.log") in str(raised.value)

    run(work)


def test_a_child_that_says_something_else_is_told_so(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, "import os\nos.write(0, b'Welcome!')") as process:
            with pytest.raises(InfrastructureError, match="said something else than that it is ready"):
                await process.ready(PATIENCE_SECONDS)

    run(work)


def test_a_child_that_talks_on_does_not_wait_for_a_reader(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, f"{HEAD}\ntell_owner({{}})\nprint('x' * 10_000_000)") as process:
            assert await process.ready(PATIENCE_SECONDS) == {}
            assert await process.wait() == 0

    run(work)


def test_the_end_of_a_child_is_heard_while_another_holds_its_pipes(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, WITH_A_CHILD) as process:
            grandchild = (await process.ready(PATIENCE_SECONDS))["child"]
            os.kill(process.pid, signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL
            os.kill(grandchild, signal.SIGKILL)

    run(work)


def test_a_child_ignores_the_terminals_interrupt(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, OBEDIENT) as process:
            await process.ready(PATIENCE_SECONDS)
            os.kill(process.pid, signal.SIGINT)
            await process.stop(PATIENCE_SECONDS)
            assert await process.wait() == 0

    run(work)


def test_what_a_child_starts_does_hear_interrupts(tmp_path: Path) -> None:
    source = f"{HEAD}\ntell_owner({{'status': subprocess.check_output(['cat', '/proc/self/status'], text=True)}})"

    async def work() -> None:
        async with running(tmp_path, source) as process:
            status = (await process.ready(PATIENCE_SECONDS))["status"]
            (ignored,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
            assert int(ignored, 16) & (1 << (signal.SIGINT - 1)) == 0

    run(work)


def test_a_descriptor_is_passed_on(tmp_path: Path) -> None:
    source = f"{HEAD}\ntell_owner({{'read': os.read(int(os.environ['FD']), 99).decode()}})"

    async def work() -> None:
        reading, writing = os.pipe()
        os.write(writing, b"hello")
        async with running(tmp_path, source, environment={"FD": str(reading)}, pass_fds=[reading]) as process:
            assert await process.ready(PATIENCE_SECONDS) == {"read": "hello"}
        os.close(reading)
        os.close(writing)

    run(work)


OWNER = """
import asyncio, sys
from pathlib import Path
from pulseq.processes.local_process import LocalProcess

async def main():
    process = await LocalProcess.start("child", "tiny_child", {"mark": sys.argv[1]}, log_path=Path(sys.argv[2]))
    print((await process.ready(60))["pid"], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_child_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    (tmp_path / "tiny_child.py").write_text(OBEDIENT)
    mark = tmp_path / "mark"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(mark), str(tmp_path / "child.log")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    with owner:
        assert owner.stdout is not None
        with watching(int(owner.stdout.readline())) as ends:
            owner.kill()
            assert ends()
    assert mark.exists()


IGNORING = """
import asyncio, signal, sys
from pathlib import Path
from pulseq.processes.local_process import LocalProcess

async def main():
    process = await LocalProcess.start("the child", "tiny_child", {}, log_path=Path(sys.argv[1], "child.log"))
    await process.ready(60.0)
    process.kill()
    print(await process.wait(), flush=True)
    await process.stop()

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
asyncio.run(main())
"""


def test_where_the_signal_of_a_childs_end_is_ignored_its_end_is_seen_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "tiny_child.py").write_text(STUBBORN)
    owner = subprocess.run(
        [sys.executable, "-c", IGNORING, tmp_path],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (owner.stdout, owner.stderr, owner.returncode) == ("255\n", "", 0)


def test_a_child_that_cannot_be_watched_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def fail(pid: int) -> int:
        started.append(pid)
        raise OSError("no more descriptors")

    monkeypatch.setattr(os, "pidfd_open", fail)

    async def work() -> None:
        with pytest.raises(OSError, match="no more descriptors"):
            async with running(tmp_path, STUBBORN):
                raise AssertionError("it cannot have been started")

    asyncio.run(work())
    (child,) = started
    assert not os.path.exists(f"/proc/{child}")


SLOW = f"""{HEAD}
import time
watch_lifeline(lambda: None)
for step in range(20):
    print("step", step, file=sys.stderr, flush=True)
    time.sleep(0.1)
tell_owner({{"slow": True}})
threading.Event().wait()
"""


def test_a_child_whose_log_grows_is_waited_for_past_all_patience(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, SLOW) as process:
            assert await process.ready(0.5) == {"slow": True}

    run(work)


def test_a_child_that_uses_a_processor_is_waited_for_past_all_patience(tmp_path: Path) -> None:
    busy = SLOW.replace("time.sleep(0.1)", "end = time.process_time() + 0.1\n    while time.process_time() < end: pass")

    async def work() -> None:
        async with running(tmp_path, busy.replace('print("step", step, file=sys.stderr, flush=True)', "")) as process:
            assert await process.ready(1.0) == {"slow": True}

    run(work)


def test_who_waits_for_a_child_is_told_what_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SAY_SECONDS", 0.5)
    told: list[str] = []

    async def work() -> None:
        async with running(tmp_path, SLOW) as process:
            await process.ready(0.4, told.append)

    run(work)
    assert told
    assert all(text.startswith("waiting for the child, ") and "child.log" in text for text in told)


FREEZES = f"""{HEAD}
watch_lifeline(lambda: None)
tell_owner({{}})
os.kill(os.getpid(), signal.SIGSTOP)
sys.exit(7)
"""


def test_a_child_that_others_wait_for_goes_on_when_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopped_watch, "LOOK_SECONDS", 0.05)
    told: asyncio.Queue[str] = asyncio.Queue()

    async def work() -> None:
        async with running(tmp_path, FREEZES) as process:
            process.keep_going(told.put_nowait)
            await process.ready(PATIENCE_SECONDS)
            assert await told.get() == f"the child (process {process.pid}) had been stopped by SIGSTOP and is continued"
            assert await process.wait() == 7

    run(work)


def test_a_child_that_is_frozen_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, OBEDIENT) as process:
            await process.ready(PATIENCE_SECONDS)
            os.kill(process.pid, signal.SIGSTOP)
            await process.stop(PATIENCE_SECONDS)
            assert (await process.wait(), (tmp_path / "mark").exists()) == (0, True)

    run(work)


def test_a_child_that_is_frozen_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    (tmp_path / "tiny_child.py").write_text(OBEDIENT)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "mark"), str(tmp_path / "child.log")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    with owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        with watching(child) as ends:
            os.kill(child, signal.SIGSTOP)
            owner.kill()
            assert ends()
