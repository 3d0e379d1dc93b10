"""One run of a suite in one mode, from the fresh copy of its tree to what it came to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.parity.children import Ended, run_child
from tests.parity.modes import PULSEQ, Mode, write_command
from tests.parity.outcome import Outcome, read_summary, verdicts_of_rows, verdicts_of_tests
from tests.parity.readers import read_report
from tests.parity.suite import Place, Suite
from tests.parity.tree import changed_files, copy_tree, digest_files

_RECORDER = Path(__file__).with_name("recorder")
#: What the surroundings of this process would tell a run about another run.
_FOREIGN = ("PYTEST", "PULSEQ", "PREFECT", "DASK", "COV_", "COVERAGE", "PYTHON", "GITHUB_", "CI", "VIRTUAL_ENV", "PY_")
_ASK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Workplace:
    """A directory for one run at a time: its tree and its state.

    Every mode's tree has the same path, so that what is written about it can be compared.
    Temporary files go where they always go: names of sockets have to be short, and a directory here would be deeper.
    """

    root: Path

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def record(self) -> Path:
        return self.root / "record.json"

    def clear(self, source: Path | None) -> None:
        """Make a fresh copy of the source; what another run left goes."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        copy_tree(source, self.tree)


def run_mode(mode: Mode, suite: Suite, *, source: Path | None, python: Path, workplace: Workplace) -> Outcome:
    """Run a suite in a mode and read all that it left."""
    workplace.clear(source)
    before = digest_files(workplace.tree)
    environment = _environment(suite, python, workplace)
    ended = run_child(
        write_command(mode, suite, python, workplace.root),
        cwd=workplace.tree,
        environment=environment,
        log=workplace.root / "output.txt",
        timeout_seconds=suite.timeout_seconds,
    )
    outcome = Outcome(mode.name, ended.seconds, ended.exit_code, output=ended.output)
    if ended.exit_code is None:
        return replace(outcome, failure=f"did not end in {suite.timeout_seconds:g} s")
    outcome = replace(outcome, files=changed_files(before, digest_files(workplace.tree)))
    place = Place(workplace.tree, ended.output, python)
    outcome = replace(outcome, reports={report.name: read_report(report, place) for report in suite.reports})
    if mode.is_pulseq:
        return _tell_pulseq(outcome, environment)
    return _tell_command(outcome, ended) if suite.command else _tell_record(outcome, workplace.record)


def _environment(suite: Suite, python: Path, workplace: Workplace) -> dict[str, str]:
    """The same for all modes: the surroundings without what is of another run, the environment first in the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(python.parent), kept.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(python.parent.parent),
        "PYTHONPATH": str(_RECORDER),
        "PARITY_RECORD": str(workplace.record),
        "PULSEQ_HOME": str(workplace.home),
        **suite.environment,
    }


def _tell_command(outcome: Outcome, ended: Ended) -> Outcome:
    verdict = "failed" if ended.exit_code else "passed"
    # As PulseQ's exit code tells of it: that of the command itself is in the output.
    return replace(outcome, exit_code=int(verdict == "failed"), counts={verdict: 1}, verdicts={"command": (verdict,)})


def _tell_record(outcome: Outcome, path: Path) -> Outcome:
    if not path.exists():
        return replace(outcome, failure=f"pytest left no record: {_last_lines(outcome.output)}")
    record = json.loads(path.read_text(encoding="utf-8"))
    return replace(outcome, counts=record["counts"], verdicts=verdicts_of_tests(record["tests"]))


def _tell_pulseq(outcome: Outcome, environment: Mapping[str, str]) -> Outcome:
    rows = _ask_results(environment)
    if rows is None:
        # A run that was refused before it began has no results, and pytest counts nothing then either.
        return outcome
    verdicts = verdicts_of_rows(rows)
    counts = read_summary(outcome.output)
    if counts is None:
        counts = dict(Counter(verdict for found in verdicts.values() for verdict in found))
    return replace(outcome, counts=counts, verdicts=verdicts)


def _ask_results(environment: Mapping[str, str]) -> list[dict[str, Any]] | None:
    # Of the run, of which there is one in this state directory.
    query = "from results select test_id, status, reason, xpassed"
    answer = subprocess.run(
        [PULSEQ, "sql", query, "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_ASK_SECONDS,
    )
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def _last_lines(output: str) -> str:
    return " / ".join(output.strip().splitlines()[-3:])
