"""A handle on real processes, which means one of them whatever becomes of its number."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pulseq.processes.handle import ProcessHandle

PATIENCE_SECONDS = 60.0


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_what_lives_has_not_ended(sleeper: subprocess.Popen[bytes]) -> None:
    with ProcessHandle(sleeper.pid) as handle:
        assert not handle.has_ended()


def test_what_is_signalled_ends(sleeper: subprocess.Popen[bytes]) -> None:
    with ProcessHandle(sleeper.pid) as handle:
        handle.signal(signal.SIGTERM)
        assert handle.has_ended(PATIENCE_SECONDS)
    assert sleeper.wait() == -signal.SIGTERM


def test_nobody_else_is_meant_when_it_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    with ProcessHandle(sleeper.pid) as handle:
        sleeper.kill()
        sleeper.wait()
        handle.signal(signal.SIGTERM)
        assert handle.has_ended()


def test_what_was_let_go_of_gets_no_signal(sleeper: subprocess.Popen[bytes]) -> None:
    handle = ProcessHandle(sleeper.pid)
    handle.close()
    handle.close()
    handle.signal(signal.SIGKILL)
    assert (handle.is_held, sleeper.poll()) == (False, None)


def test_a_number_that_nobody_has_is_refused() -> None:
    with pytest.raises(ProcessLookupError):
        ProcessHandle(2**22 + 1)
