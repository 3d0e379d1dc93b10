"""Programs of others that end with who has started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from pulseq.processes.tied_program import tied
from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import until

pytestmark = pytest.mark.processes

#: Starts a program that heeds no wish to end, says its number, and waits.
OWNER = """
import subprocess, sys
from pulseq.processes.tied_program import tied
child = subprocess.Popen(tied(["sh", "-c", "trap '' TERM HUP; echo up; exec sleep 600"]), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_who_has_started_it(how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        program = psutil.Process(int(owner.stdout.readline()))
        until(lambda: ["sleep", "600"] == program.cmdline(), "the shell has become the program")

        os.kill(owner.pid, how)

        assert ([program], []) == psutil.wait_procs([program], OUTLIVED_SECONDS)


def test_it_is_the_program_with_its_arguments_and_its_exit_code() -> None:
    done = subprocess.run(tied(["sh", "-c", 'echo "$1"; exit 7', "-", "a b"]), stdout=subprocess.PIPE, check=False)

    assert (b"a b\n", 7) == (done.stdout, done.returncode)


def test_a_program_that_there_is_not_is_told() -> None:
    done = subprocess.run(tied(["/nowhere/ssh"]), stderr=subprocess.PIPE, check=False)

    assert (b"No such file or directory: /nowhere/ssh\n", 127) == (done.stderr, done.returncode)


def test_nothing_is_begun_whose_owner_has_ended_before() -> None:
    command = tied(["echo", "begun"])
    command[4] = "1"

    assert b"" == subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
