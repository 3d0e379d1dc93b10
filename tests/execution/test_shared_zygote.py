"""Nodes of one machine share what was collected, and none of them has to be there for the others."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pulseq.execution import shared_zygote
from pulseq.execution.pytest_session import PytestSession
from pulseq.models import AttemptResult, Status
from pulseq.pytest_sessions import PytestOrder
from tests.system.workplace import until

COUNTED = {
    "test_counted.py": """
        import os
        open("log", "a").write("imported\\n")
        def test_a(): open("log", "a").write(os.environ["PULSEQ_NODE_ID"] + "\\n")
        def test_b(): open("log", "a").write(os.environ["PULSEQ_NODE_ID"] + "\\n")
    """
}

#: A node that has collected, and does nothing else until it is killed; or, with SIGUSR1, finishes.
ANOTHER_NODE = """
    import asyncio, signal, sys
    from pathlib import Path
    from pulseq.execution.pytest_session import PytestSession
    from pulseq.pytest_sessions import (PytestSpec)

    async def main(cwd, temp, shared):
        spec = PytestSpec("run-1", "unit", (".",), (), False, cwd, None)
        session = PytestSession(
            spec, node_id="node0", temp_root=Path(temp), slots=1, shared=Path(shared), environment={}
        )
        collection = await session.collect()
        asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
        print(len(collection.items), flush=True)
        await asked.wait()
        print(await session.finish(), flush=True)
        await session.close()

    asyncio.run(main(*sys.argv[1:]))
"""


class Machine:
    """A folder with a suite, and sessions of several nodes that share a directory."""

    def __init__(self, folder: Any, shared: Path) -> None:
        self.folder = folder
        self.shared = shared
        self._sessions: list[PytestSession] = []

    def node(self, name: str, **more: Any) -> PytestSession:
        spec = self.folder.spec(**more)
        temp = self.folder.temp / name
        session = PytestSession(spec, node_id=name, temp_root=temp, slots=1, shared=self.shared, environment={})
        self._sessions.append(session)
        return session

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()

    def zygotes(self) -> list[psutil.Process]:
        """What runs of this folder's suite now: guardian, zygote and whatever was forked from that."""
        return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(self.folder.path)]


@pytest.fixture
def machine(suite: Any, tmp_path: Path) -> Callable[..., Machine]:
    return lambda files=COUNTED: Machine(suite(files), tmp_path / "shared")


def play(machine: Machine, main: Callable[[], Awaitable[None]]) -> None:
    """Run this, end all nodes, and see that nothing of them is left but rewritten files."""

    async def whole() -> None:
        try:
            await main()
        finally:
            await machine.close()

    asyncio.run(whole())
    assert machine.zygotes() == []
    assert {path.name for path in machine.shared.iterdir()} <= {"rewritten"}


async def another_node(machine: Machine) -> asyncio.subprocess.Process:
    """A node in a process of its own that has collected."""
    program = textwrap.dedent(ANOTHER_NODE)
    places = (str(machine.folder.path), str(machine.folder.temp / "node0"), str(machine.shared))
    node = await asyncio.create_subprocess_exec(sys.executable, "-c", program, *places, stdout=asyncio.subprocess.PIPE)
    assert node.stdout is not None
    assert await node.stdout.readline() == b"2\n"
    return node


async def run_item(session: PytestSession, name: str) -> AttemptResult:
    results: list[AttemptResult] = []
    nodeid = f"test_counted.py::{name}"
    await session.run_items(
        [PytestOrder(nodeid, "", nodeid)], on_start=lambda order: None, on_result=results.append, fresh=True
    )
    return results[-1]


def test_a_suite_is_collected_once_for_all_nodes_of_a_machine(machine: Any) -> None:
    two = machine()

    async def main() -> None:
        one, other = two.node("node1"), two.node("node2")
        first, second = await asyncio.gather(one.collect(), other.collect())
        assert first == second
        assert [Status.PASSED] * 2 == [(await run_item(one, "test_a")).status, (await run_item(other, "test_b")).status]

    play(two, main)
    assert two.folder.log() == ["imported", "node1", "node2"]


def test_the_first_node_may_leave_and_a_third_may_come(machine: Any) -> None:
    three = machine()

    async def main() -> None:
        one, other = three.node("node1"), three.node("node2")
        await one.collect()
        await other.collect()
        await one.close()
        assert (await run_item(other, "test_a")).status is Status.PASSED
        assert (await run_item(three.node("node3"), "test_b")).status is Status.PASSED

    play(three, main)
    assert three.folder.log() == ["imported", "node2", "node3"]


def test_a_node_that_is_stopped_keeps_the_others_from_no_end_and_ends_when_it_goes_on(machine: Any) -> None:
    two = machine()

    async def main() -> None:
        late = await another_node(two)
        try:
            one = two.node("node1")
            await one.collect()
            assert (await run_item(one, "test_a")).status is Status.PASSED
            late.send_signal(signal.SIGSTOP)
            ended = await one.finish()
            assert ended is not None
            assert (ended.exit_status, ended.error) == (0, None)
            late.send_signal(signal.SIGCONT)
            late.send_signal(signal.SIGUSR1)
            assert late.stdout is not None
            assert await asyncio.wait_for(late.stdout.readline(), 30) == b"None\n"
        finally:
            late.kill()
            await late.wait()

    play(two, main)


def test_a_node_that_is_killed_leaves_the_others_what_it_had_collected(machine: Any) -> None:
    two = machine()

    async def main() -> None:
        killed = await another_node(two)
        left = two.node("node1")
        await left.collect()
        os.kill(killed.pid, signal.SIGKILL)
        await killed.wait()
        assert (await run_item(left, "test_a")).status is Status.PASSED

    play(two, main)
    assert two.folder.log() == ["imported", "node1"]


def test_after_the_last_node_the_next_one_collects_anew(machine: Any) -> None:
    one = machine()

    async def main() -> None:
        first = one.node("node1")
        await first.collect()
        await first.close()
        assert one.zygotes() == []
        await one.node("node1").collect()

    play(one, main)
    assert one.folder.log() == ["imported", "imported"]


@pytest.mark.parametrize("more", [{"env": (("MINE", "1"),)}, {"keyword": "a"}, {"args": ("-v",)}])
def test_what_would_be_collected_otherwise_is_not_shared(more: dict[str, Any], machine: Any) -> None:
    two = machine()

    async def main() -> None:
        await asyncio.gather(two.node("node1").collect(), two.node("node2", **more).collect())

    play(two, main)
    assert two.folder.log() == ["imported", "imported"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os.write(2, b'last words'); os.kill(os.getpid(), 9)", ["signal 9 (SIGKILL)", "last words"]),
        ("import os; os.write(2, b'last words'); os._exit(3)", ["exit code 3", "last words"]),
        ("import pytest; pytest.exit('no more')", ["no more"]),
    ],
    ids=["killed", "ended", "refused"],
)
def test_an_end_while_collecting_is_told_to_every_node(body: str, words: list[str], machine: Any) -> None:
    two = machine({"pytest.ini": "[pytest]\naddopts = -s\n", "conftest.py": body})

    async def main() -> None:
        for collection in await asyncio.gather(two.node("node1").collect(), two.node("node2").collect()):
            assert collection.usage_error is not None
            assert [word for word in words if word not in collection.usage_error] == []

    play(two, main)


def test_a_zygote_that_is_killed_is_collected_anew_by_whoever_wants_it(machine: Any) -> None:
    two = machine()

    async def main() -> None:
        one, other = two.node("node1"), two.node("node2")
        await one.collect()
        await other.collect()
        # The last to be started: after the guardian and the controller.
        zygote = max(two.zygotes(), key=lambda process: (process.create_time(), process.pid))
        zygote.kill()
        for session, name in ((one, "test_a"), (other, "test_b")):
            results = [await run_item(session, name), await run_item(session, name)]
            assert results[-1].status is Status.PASSED

    play(two, main)
    assert two.folder.log().count("imported") == 2


def _interpreter(machine: Machine, line: str) -> str:
    """A script that is named as the interpreter of a suite."""
    script = machine.folder.path / "python"
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(0o755)
    return str(script)


async def _appears(path: Path) -> None:
    await asyncio.to_thread(until, path.exists, f"{path} is there")


def test_the_first_node_may_leave_while_it_is_collected(machine: Any) -> None:
    waits = """
        import os, signal, time
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        open("collecting", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.005)
    """
    two = machine({**COUNTED, "conftest.py": waits})

    async def main() -> None:
        one, other = two.node("node1"), two.node("node2")
        leaving = asyncio.create_task(one.collect())
        await _appears(two.folder.path / "collecting")
        staying = asyncio.create_task(other.collect())
        await asyncio.sleep(0)
        await one.close()
        (two.folder.path / "go").touch()
        assert (await leaving).usage_error is not None
        assert len((await staying).items) == 2
        assert (await run_item(other, "test_a")).status is Status.PASSED

    play(two, main)


def test_a_directory_that_an_interpreter_chooses_is_let_alone(machine: Any, tmp_path: Path) -> None:
    one = machine()
    theirs = tmp_path / "theirs"
    theirs.mkdir()

    async def main() -> None:
        wrapper = _interpreter(one, f'TMPDIR={theirs} exec {sys.executable} "$@"')
        session = one.node("node1", python=wrapper)
        await session.collect()
        assert (await run_item(session, "test_a")).status is Status.PASSED

    play(one, main)
    assert theirs.is_dir()


def test_an_interpreter_that_does_not_come_to_python_is_ended_with_the_node(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_zygote, "END_SECONDS", 0.3)
    one = machine()

    async def main() -> None:
        session = one.node("node1", python=_interpreter(one, "touch started; exec sleep 600"))
        collecting = asyncio.create_task(session.collect())
        await _appears(one.folder.path / "started")
        await session.close()
        assert (await collecting).usage_error is not None

    asyncio.run(main())
    assert one.zygotes() == []


def test_no_node_waits_for_one_that_has_stopped_while_it_looked(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_zygote, "END_SECONDS", 0.3)
    one = machine()
    one.shared.mkdir(mode=0o700)
    held = os.open(one.shared, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)

    async def main() -> None:
        assert len((await one.node("node1").collect()).items) == 2

    play(one, main)
    os.close(held)
