"""A run whose every view fails: its verdicts and its exit code are those of its tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.workplace import Workplace, finish

SUITE = """
suite: shop
tests:
  - {id: good, simulate: {duration: 0}}
  - {id: bad, command: [sh, -c, "exit 3"]}
"""
#: The command line, with all that shows or tells a run made to fail.
FAILING = """
import sys
from pulseq.cli import execute, main
from pulseq.reports import html, json_output, junit, summary

def fail(*_, **__):
    raise KeyError(sys.argv[1])

class View:
    def start(self): pass
    keep_drawing = handle = tick = stop = start

setattr(View, sys.argv[1], fail)
execute.choose_view = lambda reports: View()
for module, name in ((html, "write_html"), (junit, "write_junit"), (summary, "render_summary")):
    setattr(module, name, fail)
sys.exit(main.run_command(sys.argv[2:]))
"""


@pytest.mark.parametrize("method", ["handle", pytest.param("stop", marks=pytest.mark.slow)])
def test_a_run_loses_what_shows_it_and_nothing_else(workplace: Workplace, tmp_path: Path, method: str) -> None:
    suite, junit, page = workplace.write("suite.yaml", SUITE), tmp_path / "junit.xml", tmp_path / "page.html"
    arguments = ["run", suite, "-n", "1", "--run-id", "r", "--junitxml", junit, "--html", page]
    process = subprocess.Popen(
        [sys.executable, "-c", FAILING, method, *map(str, arguments)],
        cwd=workplace.path,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workplace.started.append(process)

    run = finish(process)

    assert run.code == 1, run.err
    assert "Traceback" not in run.err
    verdicts = workplace.sql("select test_id, status from results order by test_id")
    assert verdicts == [{"test_id": "bad", "status": "failed"}, {"test_id": "good", "status": "passed"}]
    notes = [line["data"]["text"] for line in workplace.journal("r") if line["kind"] == "run_note"]
    assert sum(f"KeyError: '{method}'" in note for note in notes) == (method == "handle")
    assert run.err.count("what shows the run has failed") == (method == "stop")
    for lost in ("a report cannot be written", "what tells the end of the run has failed"):
        assert run.err.count(f"{lost}") == 1, run.err
