from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pulseq.processes.process_id import ProcessId


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def name(process: subprocess.Popen[bytes]) -> ProcessId:
    named = ProcessId.of(process.pid)
    assert named is not None
    return named


def test_a_process_that_lives_is_alive(sleeper: subprocess.Popen[bytes]) -> None:
    assert name(sleeper).alive


def test_a_number_that_another_process_has_now_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    earlier = replace(name(sleeper), started=name(sleeper).started - 1)

    assert not earlier.alive


def test_what_a_process_has_open_is_told_by_the_file_and_not_by_its_name(tmp_path: Path) -> None:
    lock, other = tmp_path / "lock", tmp_path / "other"
    other.touch()
    with (
        open(lock, "w") as held,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held.fileno()]) as process,
    ):
        named = name(process)
        assert [True, False, False] == [named.has_open(path) for path in (lock, other, tmp_path / "gone")]
        assert not replace(named, started=named.started - 1).has_open(lock)
        other.replace(lock)
        assert not named.has_open(lock)
        process.kill()
    assert not named.has_open(lock)


def test_a_signal_does_not_reach_another_process_of_the_same_number(sleeper: subprocess.Popen[bytes]) -> None:
    named = name(sleeper)

    replace(named, started=named.started - 1).signal(signal.SIGKILL)

    assert not named.wait(0)
    assert sleeper.poll() is None


def test_waiting_ends_with_the_process(sleeper: subprocess.Popen[bytes]) -> None:
    named = name(sleeper)

    named.signal(signal.SIGTERM)

    assert named.wait(60)


def test_waiting_for_what_lives_on_ends_with_patience(sleeper: subprocess.Popen[bytes]) -> None:
    assert not name(sleeper).wait(0.01)


def test_what_has_ended_is_neither_alive_nor_waited_for_nor_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    named = name(sleeper)
    sleeper.kill()
    sleeper.wait()

    named.signal(signal.SIGTERM)

    assert (named.alive, named.wait(60)) == (False, True)


def test_a_zombie_is_no_process(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert ProcessId.of(sleeper.pid) is None


def test_a_number_without_a_process_names_none() -> None:
    assert ProcessId.of(2**22 + 1) is None


def test_a_process_tells_the_variables_it_was_started_with() -> None:
    told = {"MULTI": "a=b\nc", "EMPTY": ""}
    program = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=told) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the kernel tells none of them while it starts the program
        named = name(process)
        read = {key: value for key, value in named.read_environment().items() if key in told}
        process.kill()

    assert told == read
    assert {} == named.read_environment()
