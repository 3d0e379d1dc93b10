"""The examples of the guide to the Python API, each as a program of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    process = subprocess.Popen(
        [sys.executable, "-c", example],
        cwd=workplace.path,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workplace.started.append(process)
    out, err = process.communicate(timeout=2 * PATIENCE_SECONDS)

    assert (0, "") == (process.returncode, err)
    assert re.fullmatch(said, out)
    until(lambda: not workplace.processes(), "no process outlives the program", 15)
