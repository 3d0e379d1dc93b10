"""Streams that were closed before `pulseq` began, or that have no character for what is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.results.database import Database

#: Says which streams it has, what the next file that it opens is, and what a child can read.
LOOK = """
import json, os, subprocess, sys
from pulseq.cli.entry import fill_streams
fill_streams()
opened = os.open(sys.argv[2], os.O_RDONLY)
read = sys.stdin.read()
print("nobody reads this" if sys.stdout.fileno() == 1 else "")
child = subprocess.run([sys.executable, "-c", "import os; [os.fstat(n) for n in range(3)]"]).returncode
with open(sys.argv[1], "w") as answer:
    json.dump({"opened": opened, "read": read, "child": child, "streams": [
        one.fileno() for one in (sys.stdin, sys.stdout, sys.stderr)]}, answer)
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ""], ids=lambda shell: shell or "none")
def test_each_stream_has_its_number_and_no_file_takes_it(tmp_path: Path, closed: str) -> None:
    look, answer = tmp_path / "look.py", tmp_path / "answer.json"
    look.write_text(LOOK)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    subprocess.run(
        f'"{sys.executable}" look.py answer.json look.py {closed}',
        shell=True,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )

    told = json.loads(answer.read_text())
    assert ([0, 1, 2], "", 0) == (told["streams"], told["read"], told["child"])
    assert told["opened"] > 2


#: Has Ctrl-C come while the command line is being loaded.
INTERRUPTED = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "cyclopts":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
sys.argv = ["pulseq", "check"]
from pulseq.cli.entry import main
main()
"""


def test_ctrl_c_before_anything_is_loaded_is_told_in_a_line(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", INTERRUPTED]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (2, "", "pulseq: interrupted\n") == (ended.returncode, ended.stdout, ended.stderr)


def test_what_an_encoding_has_no_character_for_is_told_as_an_escape(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "pulseq", "sql", "select 'käse' as word", "--format=csv", "--db=results.duckdb"]
    with Database(tmp_path / "results.duckdb").write():
        pass
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (0, "word\nk\\xe4se\n", "") == (ended.returncode, ended.stdout, ended.stderr)
