import subprocess
import sys

import pytest

HEAD = """
import atexit, os, sys
from pulseq.execution.runtime.forking import fork_into
atexit.register(lambda: print("the parent's end"))

def work():
    WORK

try:
    pid = fork_into(work)
    status = os.waitpid(pid, 0)[1]
    print("code", os.waitstatus_to_exitcode(status))
finally:
    print("the caller's end")
"""


def fork(work):
    """What a program writes that forks into this work, and waits for it."""
    source = HEAD.replace("WORK", work)
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    return told.stdout.splitlines(), told.stderr


@pytest.mark.parametrize(
    ("work", "code", "errors"),
    [
        ("return None", 0, ""),
        ("return 7", 7, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(5)", 5, ""),
        ("sys.exit('no such port')", 1, "no such port\n"),
        ("os.close(1); return 3", 3, ""),
    ],
)
def test_a_fork_ends_with_the_code_of_its_work(work, code, errors):
    assert fork(work) == ([f"code {code}", "the caller's end", "the parent's end"], errors)


def test_what_its_work_raises_is_written_and_goes_no_further():
    lines, errors = fork("raise KeyboardInterrupt('enough')")
    assert lines == ["code 1", "the caller's end", "the parent's end"]
    assert errors.endswith("KeyboardInterrupt: enough\n")


def test_what_it_has_printed_is_written_before_it_ends():
    assert fork("print('a line')")[0][0] == "a line"


def test_a_stream_that_cannot_be_flushed_does_not_keep_it():
    broken = "sys.stdout = type('Broken', (), {'flush': lambda self: 1 / 0})(); return 4"
    assert fork(broken)[0][0] == "code 4"
