"""Where a test hung is told by its own frames, before anything else that ran."""

from __future__ import annotations

import faulthandler
import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime import stack_dump
from pulseq.execution.runtime.stack_dump import say_stacks, stacks_in

OURS = os.path.join(os.path.dirname(stack_dump.__file__), "pytest_runner.py")
DUMP = f"""\
what the test had printed
Fatal Python error: Aborted

Thread 0x00007f0000000001 (most recent call first):
  File "/lib/threading.py", line 320 in wait
  File "/lib/threading.py", line 900 in run

Current thread 0x00007f0000000002 (most recent call first):
  File "/suite/helper.py", line 3 in inner
  File "/suite/test_a.py", line 9 in test_a
  File "/lib/site-packages/_pytest/python.py", line 159 in pytest_pyfunc_call
  File "/lib/site-packages/pluggy/_callers.py", line 121 in _multicall
  File "{OURS}", line 130 in _protocol
  File "/lib/site-packages/pytest/__main__.py", line 9 in <module>
  File "<frozen runpy>", line 88 in _run_code
"""


def current(*frames: str) -> str:
    return "\n".join(["Current thread 0x02 (most recent call first):", *(f'  File "{one}' for one in frames)])


def test_the_tests_frames_come_first_and_innermost_first_then_the_threads() -> None:
    assert [
        "  /suite/helper.py:3 in inner",
        "  /suite/test_a.py:9 in test_a",
        "thread 0x00007f0000000001: /lib/threading.py:320 in wait, /lib/threading.py:900 in run",
    ] == say_stacks(DUMP)


def test_a_frame_below_the_working_directory_is_told_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ["  sub/test_a.py:1 in t"] == say_stacks(current(f'{tmp_path}/sub/test_a.py", line 1 in t'))


def test_a_thread_of_the_suites_own_name_for_pytest_is_kept() -> None:
    assert ["  /suite/test_pytest/x.py:1 in t"] == say_stacks(current('/suite/test_pytest/x.py", line 1 in t'))


def test_a_named_thread_is_told_by_its_name() -> None:
    text = current('/s/t.py", line 1 in t') + (
        '\nThread 0x01 [worker one] (most recent call first):\n  File "/s/t.py", line 5 in work'
    )
    assert ["  /s/t.py:1 in t", "thread worker one: /s/t.py:5 in work"] == say_stacks(text)


def test_a_deep_stack_and_many_threads_are_cut() -> None:
    text = current(*(f'/s/t.py", line {line} in deep' for line in range(100)))
    for thread in range(6):
        text += f"\nThread 0x{thread} (most recent call first):" + '\n  File "/s/w.py", line 1 in work' * 9
    lines = say_stacks(text)
    assert [f"  /s/t.py:{line} in deep" for line in range(8)] == lines[:8]
    assert ["thread 0x0: " + ", ".join(["/s/w.py:1 in work"] * 3)] == lines[8:9]
    assert "and 2 more threads" == lines[-1]
    assert 8 + 4 + 1 == len(lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Killed",
        'Traceback (most recent call last):\n  File "/s/t.py", line 1, in t\n    1 / 0\nZeroDivisionError',
        '  File "/s/t.py", line 1 in t',
        "Current thread 0x02 (most recent call first):\n  <no Python frame>",
        'Thread 0x01 (most recent call first):\n  File "/s/t.py", line 1 in t',
        current(f'{OURS}", line 1 in run'),
    ],
    ids=["empty", "words", "traceback", "frame alone", "no frame", "not current", "ours alone"],
)
def test_nothing_is_told_of_text_without_a_dump_of_the_test(text: str) -> None:
    assert say_stacks(text) == []


def test_what_faulthandler_writes_is_understood() -> None:
    stopped = threading.Event()
    waiting = threading.Event()

    def wait_here() -> None:
        waiting.set()
        stopped.wait()

    thread = threading.Thread(target=wait_here)
    thread.start()
    waiting.wait()
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        text = file.read().decode()
    stopped.set()
    thread.join()
    stacks = stacks_in(text)
    assert stacks[0].current
    assert "in test_what_faulthandler_writes_is_understood" in stacks[0].frames[0]
    assert any("in wait_here" in frame for stack in stacks[1:] for frame in stack.frames)


pieces = st.sampled_from(
    [
        '  File "',
        '", line ',
        " in ",
        "Current thread 0x1",
        " [",
        "] ",
        "(most recent call first):",
        "Thread 0x",
        "\n",
        "9",
    ]
)


@given(st.lists(pieces | st.text(max_size=5), max_size=40).map("".join))
def test_no_text_is_too_odd(text: str) -> None:
    for line in say_stacks(text):
        assert line.startswith(("  ", "thread ", "and "))
