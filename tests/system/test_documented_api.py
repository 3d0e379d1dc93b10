"""Every block of the interface's description, run as it stands, in a program that closes nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import PATIENCE_SECONDS, Workplace, until

DOCUMENT = Path(__file__).parent.parent / "distributed" / "documented_api.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

#: Fragments stand in an event loop and know the names of those before; functions are called once they are defined.
PROGRAM = """
import ast, asyncio, inspect, json, sys
from datetime import datetime

async def main():
    names = {"datetime": datetime}
    for block in json.loads(sys.argv[1]):
        known = set(names)
        result = eval(compile(block, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if result is not None:
            await result
        for name in set(names) - known:
            if inspect.iscoroutinefunction(names[name]):
                await names[name]()
    print("summary:", names["summary"])
    print("load:", names["load"])
    print("results:", names["results"])

asyncio.run(main())
"""


def test_no_block_is_missed() -> None:
    assert 13 == len(BLOCKS)


def test_every_block_runs_and_prints_what_a_reader_expects(bare_workplace: Workplace) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(BLOCKS)],
        cwd=bare_workplace.path,
        env=bare_workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    bare_workplace.started.append(process)
    out, err = process.communicate(timeout=3 * PATIENCE_SECONDS)
    lines = out.splitlines()

    assert 0 == process.returncode, err[-4000:]
    assert [
        "Test status: passed",
        "Total tests: 100",
        "Pass rate: 100.0%",
        "Average response time: 0.5ms",
        "Max memory usage: 100.0MB",
        "Node status: active",
        "Node loads: {'node1': 1}",
    ] == lines[:7]
    assert "load: 1" in lines
    assert "results: []" in lines
    assert any(line.startswith("summary: {'total_tests': 1, 'passed': 1,") for line in lines)
    until(lambda: not bare_workplace.processes(), "no process outlives the program", OUTLIVED_SECONDS)
