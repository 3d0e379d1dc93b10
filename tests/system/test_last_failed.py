"""A day's work, with pytest and with PulseQ side by side: the same tests run at each step."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.system.workplace import Finished, Workplace, finish, until

CART = """\
import os, pathlib, time

def may_wait(name):
    if os.environ.get("WAITS") == name:
        pathlib.Path(os.environ["PLACE"], "waiting").touch()
        while True:
            time.sleep(0.01)

def test_adds(): may_wait("adds")
def test_removes(): assert False
def test_totals(): assert False
def test_waits(): may_wait("waits")
def test_empties(): assert True
"""
BILL = """\
def test_nets(): assert True
def test_taxes(): assert False
"""
Ran = dict[str, str]


@dataclass
class Pair:
    """Two copies of one project, each with its own way to run it."""

    workplace: Workplace
    runs: int = 0
    copies: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        self.copies = [self.workplace.path / name / "shop" for name in ("with_pytest", "with_pulseq")]
        for copy in self.copies:
            (copy / "tests").mkdir(parents=True)
            (copy / "pytest.ini").touch()
            (copy / "tests" / "test_cart.py").write_text(CART)
            (copy / "tests" / "test_bill.py").write_text(BILL)

    def edit(self, name: str, old: str, new: str) -> None:
        for copy in self.copies:
            file = copy / "tests" / name
            assert old in file.read_text()
            file.write_text(file.read_text().replace(old, new))
            shutil.rmtree(copy / "tests" / "__pycache__", ignore_errors=True)  # it may be of the same second

    def run(self, *arguments: str, waits: str = "", interrupted: bool = False) -> tuple[Ran, Ran]:
        """What ran in either copy, and how it ended; the test that `waits` does so until somebody ends it."""
        self.runs += 1
        self.workplace.environment["WAITS"] = waits
        return self._pytest(*arguments, interrupted=interrupted), self._pulseq(*arguments, interrupted=interrupted)

    def _pytest(self, *arguments: str, interrupted: bool) -> Ran:
        report = self.workplace.path / f"{self.runs}.xml"
        command = [sys.executable, "-m", "pytest", "-p", "no:randomly", f"--junitxml={report}", *arguments]
        self._finish(command, self.copies[0], interrupted=interrupted)
        return dict(_told_in(report))

    def _pulseq(self, *arguments: str, interrupted: bool) -> Ran:
        run_id = f"step{self.runs}"
        command = [sys.executable, "-m", "pulseq", "run", "-n", "1", "--run-id", run_id, *arguments]
        done = self._finish(command, self.copies[1], interrupted=interrupted)
        assert done.code in (0, 1, 2), done.err
        closed = [line["data"] for line in self.workplace.journal(run_id) if line["kind"] == "test_closed"]
        return {one["test_id"]: one["status"] for one in closed if one["reason"] != "cancelled"}

    def _finish(self, command: list[str], copy: Path, *, interrupted: bool) -> Finished:
        place = copy.parent
        (place / "waiting").unlink(missing_ok=True)
        environment = {**self.workplace.environment, "PLACE": str(place)}
        process = subprocess.Popen(
            command,
            cwd=copy,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.workplace.started.append(process)
        if interrupted:
            until((place / "waiting").exists, "a test waits")
            os.kill(process.pid, signal.SIGINT)
        return finish(process)


def _told_in(report: Path) -> Iterator[tuple[str, str]]:
    for case in ET.parse(report).getroot().iter("testcase"):
        if module := case.get("classname"):  # that of the interrupt has none
            bad = case.find("failure") is not None
            yield f"{module.replace('.', '/')}.py::{case.get('name')}", "failed" if bad else "passed"


@pytest.fixture
def pair(workplace: Workplace) -> Pair:
    return Pair(workplace)


@pytest.mark.slow
def test_the_same_tests_run_at_each_step_of_a_day(pair: Pair) -> None:
    first, rest = "tests/test_bill.py::test_taxes", "tests/test_cart.py::test_removes"

    # What follows a failure at once in its pack may have begun before the run is told of it: here it never ends.
    by_pytest, by_pulseq = pair.run("-x", waits="adds")
    assert by_pytest == by_pulseq == {"tests/test_bill.py::test_nets": "passed", first: "failed"}

    by_pytest, by_pulseq = pair.run("--lf")
    assert by_pytest == by_pulseq == {first: "failed"}

    pair.edit("test_bill.py", "test_taxes", "test_taxes_are_added")
    by_pytest, by_pulseq = pair.run("--lf")
    assert by_pytest == by_pulseq
    assert 7 == len(by_pulseq)

    pair.edit("test_bill.py", "False", "True")
    by_pytest, by_pulseq = pair.run("-k", "bill")
    assert by_pytest == by_pulseq
    assert {"passed"} == set(by_pulseq.values())

    by_pytest, by_pulseq = pair.run("--lf")
    assert by_pytest == by_pulseq == {rest: "failed", "tests/test_cart.py::test_totals": "failed"}

    pair.edit("test_cart.py", "def test_removes(): assert False", "def test_removes(): assert True")
    by_pytest, by_pulseq = pair.run("tests/test_cart.py", waits="waits", interrupted=True)
    assert by_pytest == by_pulseq
    assert {"tests/test_cart.py::test_adds", rest, "tests/test_cart.py::test_totals"} == set(by_pulseq)

    by_pytest, by_pulseq = pair.run("--lf")
    assert by_pytest == by_pulseq == {"tests/test_cart.py::test_totals": "failed"}


@pytest.mark.slow
def test_a_file_that_could_not_be_collected_is_run_whole(pair: Pair) -> None:
    pair.edit("test_bill.py", "def test_nets", "import nothing_of_that_name\ndef test_nets")
    pair.run()
    pair.edit("test_bill.py", "import nothing_of_that_name\n", "")

    by_pytest, by_pulseq = pair.run("--lf", "tests/test_bill.py")

    assert by_pytest == by_pulseq
    assert {"tests/test_bill.py::test_nets", "tests/test_bill.py::test_taxes"} == set(by_pulseq)
