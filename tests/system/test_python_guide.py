"""Programs of one's own that use the Python API: the guide's examples, and ends that nobody planned."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import PATIENCE_SECONDS, Workplace, until

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "python.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("example", "said"),
    list(
        zip(
            EXAMPLES,
            [r"passed node\d \d.*\n\{'node1': 1, 'node2': 1\}\n100.0\n", r"\{'total_tests': 1, .*\}\n100.0\n", ""],
            strict=True,
        )
    ),
    ids=["runner", "aggregator", "log"],
)
def test_an_example_runs_and_says_what_it_should(workplace: Workplace, example: str, said: str) -> None:
    process = start(workplace, example)
    out, err = process.communicate(timeout=2 * PATIENCE_SECONDS)

    assert (0, "") == (process.returncode, err)
    assert re.fullmatch(said, out)
    until(lambda: not workplace.processes(), "no process outlives the program", OUTLIVED_SECONDS)


LONG = """
import asyncio
from pulseq.distributed import DistributedTestRunner, TestNode, TestScheduler

async def main():
    async with DistributedTestRunner() as runner:
        scheduler = TestScheduler()
        await runner.add_node(TestNode("node1"))
        await scheduler.schedule_test({"id": "long", "command": "touch begun; exec sleep 600", "shell": True})
        await runner.run_tests()

asyncio.run(main())
"""


@pytest.mark.slow
def test_ctrl_c_ends_a_program_and_all_that_it_started(workplace: Workplace) -> None:
    process = start(workplace, LONG)
    until(lambda: (workplace.path / "begun").exists() or process.poll() is not None, "the body has begun")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=2 * PATIENCE_SECONDS)

    assert -signal.SIGINT == process.returncode, err
    assert "KeyboardInterrupt" == err.splitlines()[-1]
    until(lambda: not workplace.processes(), "no process outlives the program", OUTLIVED_SECONDS)


@pytest.mark.slow
def test_a_program_that_is_killed_leaves_no_process(workplace: Workplace) -> None:
    process = start(workplace, LONG)
    until(lambda: (workplace.path / "begun").exists() or process.poll() is not None, "the body has begun")
    assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)

    until(lambda: not workplace.processes(), "no process outlives the program", OUTLIVED_SECONDS)


def start(workplace: Workplace, program: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=workplace.path,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workplace.started.append(process)
    return process
