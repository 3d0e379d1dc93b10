"""Forks of one process, with real processes: started, told, watched and ended as others are."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from pulseq.errors import InfrastructureError
from pulseq.processes import stopped_watch
from pulseq.processes.fork_process import may_be_forked
from pulseq.processes.fork_server import NAME, ForkServer
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.watched_process import UNKNOWN_CODE
from tests.system.workplace import until

pytestmark = pytest.mark.processes

#: Far more than anything here takes; nothing waits for it to pass.
PATIENCE_SECONDS = 60.0
#: Its name is as long as that of a node's module, and of the one that is forked.
MODULE = "tinier.modules.new_process"
SOURCE = """
import logging, os, sys, threading
from pulseq.processes.child import read_configuration, tell_owner, watch_lifeline

LOADED_BY = os.getpid()

def main():
    configuration = read_configuration()
    watch_lifeline(lambda: None)
    if "code" in configuration:
        sys.exit(configuration["code"])
    if "log" in configuration:
        logging.warning("a line")
    print("a word", file=sys.stderr, flush=True)
    fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
    tell_owner({"pid": os.getpid(), "loaded_by": LOADED_BY, "fds": fds, "mode": os.environ["MODE"]})
    threading.Event().wait()
"""


class Place:
    """A directory with a module that can be forked, and a server that does it."""

    def __init__(self, path: Path) -> None:
        folder = path.joinpath(*MODULE.split(".")[:-1])
        folder.mkdir(parents=True)
        (folder / f"{MODULE.rpartition('.')[2]}.py").write_text(SOURCE)
        self.path = path
        self.server = self.make_server(MODULE)

    def make_server(self, module: str, owners_lock: Path | None = None) -> ForkServer:
        return ForkServer(
            module,
            log_path=self.path / "logs/server.log",
            environment={"PYTHONPATH": str(self.path), "MODE": "fast"},
            patience_seconds=PATIENCE_SECONDS,
            owners_lock=owners_lock,
        )

    async def fork(self, name: str = "one", **configuration: int) -> LocalProcess:
        process = await self.server.fork(name, log_path=self.path / f"logs/{name}.log")
        process.configure(configuration)
        return process

    async def server_pid(self, process: LocalProcess) -> int:
        """The number of the process that another one was forked from."""
        loaded_by: int = (await process.ready(PATIENCE_SECONDS))["loaded_by"]
        return loaded_by


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def run(place: Place, work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        try:
            await asyncio.wait_for(work(), 2 * PATIENCE_SECONDS)
        finally:
            await place.server.stop()

    asyncio.run(main())


def ends(pid: int) -> bool:
    """Whether a process, whoever's child it is, ends."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE_SECONDS)[0])
    finally:
        os.close(descriptor)


def test_forks_share_what_one_process_has_loaded_and_nothing_else(place: Place) -> None:
    async def work() -> None:
        one, two = await place.fork("one"), await place.fork("two")
        first, second = await one.ready(PATIENCE_SECONDS), await two.ready(PATIENCE_SECONDS)
        assert (one.pid, two.pid) == (first["pid"], second["pid"])
        assert first["loaded_by"] == second["loaded_by"] not in (one.pid, two.pid)
        assert [os.getsid(process.pid) for process in (one, two)] == [one.pid, two.pid]
        assert first["mode"] == "fast"
        # Of the line of the first, the second would keep the end of its owner from it.
        assert len(first["fds"]) == len(second["fds"]) == 4  # its own three, and the directory that it looks into
        assert ["a word", "a word"] == [process.last_words() for process in (one, two)]
        for process in (one, two):
            await process.stop()

    run(place, work)


def test_a_fork_shows_itself_as_what_it_runs(place: Place) -> None:
    async def work() -> None:
        process = await place.fork()
        server = await place.server_pid(process)
        assert MODULE in psutil.Process(process.pid).cmdline()
        assert "pulseq.processes.fork_process" in psutil.Process(server).cmdline()
        await process.stop()

    run(place, work)


def test_a_forks_return_code_is_known(place: Place) -> None:
    async def work() -> None:
        process = await place.fork(code=7)
        assert await process.wait() == 7
        assert not process.alive
        await process.stop()

    run(place, work)


def test_a_fork_that_is_killed_says_by_what_signal(place: Place) -> None:
    async def work() -> None:
        process = await place.fork()
        await process.ready(PATIENCE_SECONDS)
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        await process.stop()
        await process.stop()

    run(place, work)


def test_a_fork_keeps_its_number_until_it_has_been_stopped(place: Place) -> None:
    async def work() -> None:
        process = await place.fork(code=0)
        await process.wait()
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        await process.stop()
        # Requests are done in their order: an answer tells that those before it are done.
        other = await place.fork(code=0)
        assert not psutil.pid_exists(process.pid)
        await other.wait()
        await other.stop()

    run(place, work)


def test_a_fork_that_ends_before_it_is_ready_says_so(place: Place) -> None:
    async def work() -> None:
        process = await place.fork(code=3)
        with pytest.raises(InfrastructureError, match="one ended while it started"):
            await process.ready(PATIENCE_SECONDS)
        await process.stop()

    run(place, work)


def test_a_fork_outlives_the_process_that_it_was_forked_from_and_the_next_has_a_new_one(place: Place) -> None:
    async def work() -> None:
        process = await place.fork()
        server = await place.server_pid(process)
        os.kill(server, signal.SIGKILL)
        assert await asyncio.to_thread(ends, server)

        other = await place.fork("other")
        another_server = await place.server_pid(other)
        assert another_server != server
        assert process.alive

        process.kill()
        assert await process.wait() == UNKNOWN_CODE
        await process.stop()
        # Nobody has asked the new one for what it cannot know.
        third = await place.fork("third")
        assert await place.server_pid(third) == another_server
        await asyncio.gather(other.stop(), third.stop())

    run(place, work)


def test_forks_that_are_asked_for_at_once_wait_for_one_server(place: Place) -> None:
    async def work() -> None:
        processes = await asyncio.gather(*(place.fork(str(number)) for number in range(4)))
        servers = {await place.server_pid(process) for process in processes}
        assert len(servers) == 1
        await asyncio.gather(*(process.stop() for process in processes))

    run(place, work)


OWNER = """
import asyncio, importlib, os, signal, sys, threading
from pathlib import Path
from tests.processes.test_fork_server import MODULE, Place

async def main():
    place = Place(Path(sys.argv[1]))
    if "itself" in sys.argv:
        sys.path.insert(0, sys.argv[1])
        importlib.import_module(MODULE)
        signal.signal(signal.SIGTERM, lambda *_: None)
        held = open(place.path / "held", "w")
        print("said once", end=" ")
        await place.server.start_here()
    process = await place.fork()
    print(process.pid, await place.server_pid(process), os.getpid(), flush=True)
    if "stop" in sys.argv:
        sys.stdin.readline()
        await process.stop()
        await place.server.stop()
        return
    threading.Event().wait()

asyncio.run(main())
"""


def start_owner(path: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, path, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def hear(owner: subprocess.Popen[str]) -> list[str]:
    assert owner.stdout is not None
    return owner.stdout.readline().split()


@pytest.mark.parametrize("itself", [False, True])
def test_forks_and_what_they_were_forked_from_end_when_their_owner_is_killed(tmp_path: Path, itself: bool) -> None:
    with start_owner(tmp_path, *(["itself"] if itself else [])) as owner:
        *_, fork, loaded_by, _ = hear(owner)
        parent = psutil.Process(int(fork)).ppid()
        owner.kill()

    assert [True, True] == [ends(pid) for pid in (int(fork), parent)]
    assert (itself, not itself) == (int(loaded_by) == owner.pid, int(loaded_by) == parent)


def test_an_owner_that_has_loaded_all_is_forked_itself_and_keeps_what_is_its_own(tmp_path: Path) -> None:
    with start_owner(tmp_path, "itself", "stop") as owner:
        said, once, *pids = hear(owner)
        fork, loaded_by, owner_pid = map(int, pids)
        parent = psutil.Process(fork).ppid()
        assert loaded_by == owner_pid == psutil.Process(parent).ppid()
        assert [os.getsid(pid) for pid in (fork, parent)] == [fork, parent]
        for pid in (fork, parent):
            links = {name: os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
            others = {link for name, link in links.items() if int(name) > 2}
            assert all(link == "/dev/null" or link.startswith("socket:") for link in others), links
            assert sum(link.startswith("socket:") for link in others) <= 1
            assert links["2"].endswith(".log")
        assert psutil.Process(fork).cmdline()[1:3] == ["-m", MODULE]
        assert psutil.Process(parent).cmdline()[1:3] == ["-m", "pulseq.processes.fork_process"]

        # The owner's handlers are not theirs.
        os.kill(parent, signal.SIGTERM)
        assert ends(parent)
        rest, _ = owner.communicate("go on\n")

    assert (said, once, rest, owner.returncode) == ("said", "once", "", 0)
    assert ends(fork)


IN_TROUBLE = """
import asyncio, contextlib, importlib, os, sys, threading
from pathlib import Path
from pulseq.processes.fork_process import may_be_forked
from tests.processes.test_fork_server import MODULE, Place

async def main():
    place = Place(Path(sys.argv[1]))
    sys.path.insert(0, sys.argv[1])
    importlib.import_module(MODULE)
    with contextlib.suppress(OSError):
        print("a line", file=sys.stderr)  # as a view does; the line stays in the buffer
    await place.server.start_here()
    process = await place.fork()
    told = await place.server_pid(process) == os.getpid()
    await process.stop()
    await place.server.stop()
    Path(sys.argv[1], "told").write_text(str(told))

print(may_be_forked(), file=open(Path(sys.argv[1], "may"), "w"))
asyncio.run(main())
os._exit(0)
"""


def test_an_owner_whose_output_cannot_be_written_is_forked_all_the_same(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        owner = subprocess.run([sys.executable, "-c", IN_TROUBLE, tmp_path], stderr=full, check=False, timeout=60)

    assert (owner.returncode, (tmp_path / "told").read_text()) == (0, "True")
    assert (tmp_path / "may").read_text() == "True\n"


VIEWED = """
import asyncio, importlib, logging, os, sys
from pathlib import Path
from rich.console import Console
from rich.live import Live
from tests.processes.test_fork_server import MODULE, PATIENCE_SECONDS, Place

async def main():
    place = Place(Path(sys.argv[1]))
    sys.path.insert(0, sys.argv[1])
    importlib.import_module(MODULE)
    with Live("the picture", console=Console(stderr=True, force_terminal=True), auto_refresh=False):
        logging.basicConfig(format="%(message)s")
        await place.server.start_here()
        process = await place.fork(log=1)
        await process.ready(PATIENCE_SECONDS)
        logging.warning("a line of the owner's")
    await process.stop()
    await place.server.stop()

asyncio.run(main())
os._exit(0)
"""


def test_what_a_fork_logs_has_nothing_of_the_view_that_its_owner_draws(tmp_path: Path) -> None:
    command = [sys.executable, "-c", VIEWED, tmp_path]
    owner = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)

    assert "a line\na word\n" == (tmp_path / "logs/one.log").read_text()
    assert "" == (tmp_path / "logs/server.log").read_text()
    assert "a line of the owner's" in owner.stderr
    assert "the picture" in owner.stderr


@pytest.mark.parametrize("trouble", ["exec 1>&-", "exec 0<&-"])
def test_without_one_of_its_streams_a_process_is_not_to_be_forked(tmp_path: Path, trouble: str) -> None:
    asks = "from pulseq.processes.fork_process import may_be_forked as m; import sys; sys.exit(m())"
    asked = subprocess.run(["sh", "-c", f'{trouble}; exec "$0" -c "$1"', sys.executable, asks], check=False)

    assert asked.returncode == 0


def test_a_process_with_a_second_thread_is_not_to_be_forked() -> None:
    enough = threading.Event()
    thread = threading.Thread(target=enough.wait)
    thread.start()
    try:
        assert not may_be_forked()
    finally:
        enough.set()
        thread.join()


def test_what_cannot_be_loaded_is_told_with_its_last_words(place: Place) -> None:
    async def work() -> None:
        place.server = place.make_server("gone")
        with pytest.raises(InfrastructureError, match=r"does not answer: ModuleNotFoundError: .*'gone'"):
            await place.fork()

    run(place, work)


def test_hundreds_of_forks_may_be_asked_for_at_once(place: Place) -> None:
    """More than a socket holds while nobody reads it: who has enough to do is not dead."""
    number = 400

    async def work() -> None:
        first = await place.fork("first")
        server = await place.server_pid(first)
        os.kill(server, signal.SIGSTOP)
        asked = [asyncio.ensure_future(place.fork("more", code=0)) for _ in range(number)]
        await asyncio.wait(asked, timeout=0)
        os.kill(server, signal.SIGCONT)
        processes = await asyncio.gather(*asked)
        assert [0] * number == await asyncio.gather(*(process.wait() for process in processes))
        await asyncio.gather(*(process.stop() for process in [first, *processes]))

    run(place, work)


def test_a_fork_server_that_is_frozen_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopped_watch, "LOOK_SECONDS", 0.05)
    notes: list[str] = []
    place.server.on_note = notes.append

    async def work() -> None:
        first = await place.fork("first")
        server = await place.server_pid(first)
        os.kill(server, signal.SIGSTOP)
        other = await place.fork("other")
        assert await place.server_pid(other) == server
        await asyncio.gather(first.stop(), other.stop())

    run(place, work)
    assert [f"{NAME} (process " in note and "had been stopped" in note for note in notes] == [True]


def test_a_fork_server_that_does_not_answer_is_replaced(place: Place) -> None:
    async def work() -> None:
        first = await place.fork("first")
        server = await place.server_pid(first)
        place.server._patience_seconds = 0.2  # less than what a frozen one is continued after
        os.kill(server, signal.SIGSTOP)
        with pytest.raises(InfrastructureError, match="does not answer"):
            await place.fork("other")
        assert await asyncio.to_thread(ends, server)
        place.server._patience_seconds = PATIENCE_SECONDS
        third = await place.fork("third")
        assert await place.server_pid(third) != server
        await asyncio.gather(first.stop(), third.stop())

    run(place, work)


@pytest.mark.parametrize("itself", [False, True])
def test_what_is_frozen_ends_with_its_owner_too(tmp_path: Path, itself: bool) -> None:
    with start_owner(tmp_path, *(["itself"] if itself else [])) as owner:
        fork = int(hear(owner)[-3])
        pids = [fork, psutil.Process(fork).ppid()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        owner.kill()

    assert [True, True] == [ends(pid) for pid in pids]


def test_what_a_killed_owner_leaves_goes_after_its_forks(place: Place) -> None:
    lock = place.path / "left/lock"
    lock.parent.mkdir()
    place.server = place.make_server(MODULE, lock)

    async def work() -> None:
        one = await place.fork()
        server_pid = await place.server_pid(one)
        one.signal(signal.SIGSTOP)
        until(lambda: psutil.Process(one.pid).status() == psutil.STATUS_STOPPED, "it is stopped")
        # All that they see of its end.
        place.server._hang_up()
        one._line.hang_up()
        assert ends(server_pid)
        assert ends(one.pid)
        assert not lock.parent.exists()
        await one.stop()

    run(place, work)
