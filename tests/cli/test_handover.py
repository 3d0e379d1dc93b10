"""A run that another process does is as one of one's own; a real run host does them here."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest

from pulseq.cli.handover import SOCKET_NAME, identity
from pulseq.processes.local_process import LocalProcess
from pulseq.results.database import Database
from tests.system.workplace import until

#: Longer than the path of a socket may be.
DEEP = "a-directory-with-a-long-name" * 5
BODY = "suite: held\ntests:\n  - {id: held, command: [python, -c, 'import time; time.sleep(61.7)']}\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory with a process that runs start from, and nothing else that stands."""
    home = tmp_path_factory.mktemp("handover") / DEEP
    standing = home / "standing"
    standing.mkdir(parents=True)
    (home.parent / "held.yaml").write_text(BODY)

    async def start() -> LocalProcess:
        process = await LocalProcess.start(
            "the run host",
            "pulseq.cli.run_host",
            {"directory": str(standing)},
            log_path=home.parent / "log",
            environment=_environment(home),
        )
        await process.ready(60.0)
        return process

    with asyncio.Runner() as runner:
        # Earlier tests may have set variables that callers do not have.
        with patch.dict(os.environ, _environment(home), clear=True):
            host = runner.run(start())
        yield home
        runner.run(host.stop())
    assert not psutil.pid_exists(host.pid)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DASK_"))}
    return kept | {"PULSEQ_HOME": str(home), "CI": "1"}


@dataclass
class Caller:
    """A `pulseq` that tells what it imports, into a file: that is more than a pipe holds."""

    process: subprocess.Popen[str]
    errors: Path

    def finish(self) -> tuple[int, str, str, bool]:
        """Exit code, output, errors, and whether a run was handed over: no parser was loaded then."""
        out, _ = self.process.communicate(timeout=120)
        lines = self.errors.read_text().splitlines()
        imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
        told = [line for line in lines if not line.startswith("import time:")]
        return self.process.returncode, out, "\n".join(told), "cyclopts" not in imported


def _pulseq(home: Path, *arguments: str, **environment: str) -> Caller:
    with tempfile.NamedTemporaryFile(dir=home.parent, delete=False) as errors:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "pulseq", *arguments],
            cwd=home.parent,
            env=_environment(home) | environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    return Caller(process, Path(errors.name))


@pytest.mark.processes
def test_a_refusal_is_told_in_its_place(home: Path) -> None:
    code, _, err, handed_over = _pulseq(home, "run", "gone.yaml").finish()

    assert (4, True) == (code, handed_over), err
    assert "gone.yaml" in err


@pytest.mark.processes
def test_output_goes_where_the_caller_has_it(home: Path) -> None:
    code, out, _, handed_over = _pulseq(home, "run", "gone.yaml", "--output", "json").finish()

    assert (4, True) == (code, handed_over)
    assert 4 == json.loads(out)["exit_code"]


@pytest.mark.processes
def test_other_verbs_are_done_here(home: Path) -> None:
    code, _, err, handed_over = _pulseq(home, "check", "gone.yaml").finish()

    assert (4, False) == (code, handed_over), err


@pytest.mark.processes
@pytest.mark.parametrize("changed", ["PREFECT_API_URL", "DASK_DISTRIBUTED__COMM__RETRY__COUNT", "PYTHONHASHSEED"])
def test_what_modules_have_read_already_is_not_changed_behind_them(home: Path, changed: str) -> None:
    code, _, err, handed_over = _pulseq(home, "run", "gone.yaml", **{changed: "5"}).finish()

    assert (4, False) == (code, handed_over), err


def _run_of(home: Path, run_id: str) -> tuple[Caller, psutil.Process]:
    """A run whose only body sleeps, on a node of its own: its caller, and the process that does it."""
    caller = _pulseq(home, "run", "held.yaml", "-n", "1", "--run-id", run_id)
    journal = home / "runs" / run_id / "journal.jsonl"
    until(lambda: journal.exists() and "attempt_started" in journal.read_text(), "the body runs")
    return caller, _forked(run_id)


def _forked(run_id: str) -> psutil.Process:
    holders = [
        process
        for process in psutil.process_iter()
        if any(file.path.endswith(f"{run_id}/journal.jsonl") for file in _files(process))
    ]
    (found,) = holders
    return found


def _files(process: psutil.Process) -> list[psutil._common.popenfile]:
    try:
        return process.open_files()
    except psutil.Error:
        return []


@pytest.mark.system
def test_ctrl_c_reaches_the_run(home: Path) -> None:
    caller, forked = _run_of(home, "interrupted")

    caller.process.send_signal(signal.SIGINT)

    code, _, err, handed_over = caller.finish()
    assert (2, True) == (code, handed_over), err
    assert "interrupted by SIGINT" in err
    until(lambda: not forked.is_running(), "the run has ended")


@pytest.mark.system
def test_ctrl_c_twice_leaves_with_its_own_code_and_closes_the_run(home: Path) -> None:
    caller, forked = _run_of(home, "left")

    caller.process.send_signal(signal.SIGINT)
    until(lambda: "interrupted by SIGINT" in caller.errors.read_text(), "the run has heard of it")
    caller.process.send_signal(signal.SIGINT)

    code, _, err, handed_over = caller.finish()
    assert (2, True) == (code, handed_over), err
    assert "died" not in err
    told = err.splitlines()
    assert ["again     pulseq run held.yaml -n 1", "summary   pulseq summary left"] == told[-2:]
    assert any(line.startswith("journal   ") and line.endswith("runs/left/journal.jsonl") for line in told)
    until(lambda: not forked.is_running(), "the run has ended")
    with Database(home / "results.duckdb").read() as connection:
        query = "SELECT exit_reason, finished_at IS NOT NULL FROM runs WHERE run_id = 'left'"
        assert [("interrupted", True)] == connection.execute(query).fetchall()


@pytest.mark.system
def test_a_run_dies_with_its_caller(home: Path) -> None:
    caller, forked = _run_of(home, "killed")
    below = [forked, *forked.children(recursive=True)]

    caller.process.kill()
    caller.process.communicate()

    assert until(lambda: not any(process.is_running() for process in below), "all of the run has ended")


@pytest.mark.system
def test_a_caller_tells_that_its_run_has_died(home: Path) -> None:
    caller, forked = _run_of(home, "died")

    forked.kill()

    code, _, err, _ = caller.finish()
    assert 10 == code
    assert "the process of this run has died" in err


@pytest.mark.system
@pytest.mark.slow
def test_pausing_pauses_the_run_too(home: Path) -> None:
    caller, forked = _run_of(home, "paused")

    caller.process.send_signal(signal.SIGTSTP)
    until(lambda: forked.status() == psutil.STATUS_STOPPED, "the run is paused")
    until(lambda: psutil.Process(caller.process.pid).status() == psutil.STATUS_STOPPED, "its caller is paused")
    caller.process.send_signal(signal.SIGCONT)
    until(lambda: forked.status() != psutil.STATUS_STOPPED, "the run goes on")

    caller.process.send_signal(signal.SIGTERM)
    assert 2 == caller.finish()[0]


def _hand_over(home: Path, *, before: str = "pass", shell: str = "") -> str:
    """What handing over says, in a process of its own: None, or an exit code."""
    look = f"import sys; {before}; from pulseq.cli.handover import hand_over; print(hand_over(['run', 'gone.yaml']))"
    ended = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {shell}', sys.executable, look],
        cwd=home.parent,
        env=_environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


@pytest.mark.processes
def test_where_nobody_listens_the_run_is_done_here(home: Path, tmp_path: Path) -> None:
    assert ("4", "None") == (_hand_over(home), _hand_over(tmp_path))

    (tmp_path / "standing").mkdir()
    assert "None" == _hand_over(tmp_path)

    (tmp_path / "standing" / SOCKET_NAME).touch()
    assert "None" == _hand_over(tmp_path)


@pytest.mark.processes
def test_without_a_standard_input_the_run_is_done_here(home: Path) -> None:
    assert "None" == _hand_over(home, shell="<&-")


@pytest.mark.processes
def test_a_debugger_keeps_the_run_to_itself(home: Path) -> None:
    assert "None" == _hand_over(home, before="sys.settrace(lambda *_: None)")


def test_another_state_of_the_code_is_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "__init__.py").touch()
    module = tmp_path / "part" / "module.py"
    module.touch()
    monkeypatch.setattr("pulseq.__file__", str(tmp_path / "__init__.py"))
    before = identity()
    assert before == identity()

    os.utime(module, ns=(0, before["changed"] + 1))

    assert before != identity()


@pytest.mark.processes
def test_a_terminal_of_the_caller_is_the_runs(home: Path) -> None:
    ours, theirs = pty.openpty()
    look = "import sys; from pulseq.cli.handover import hand_over; sys.argv = ['pulseq', 'run', '--nope']; "
    with open(ours, "rb", buffering=0) as screen:
        caller = subprocess.Popen(
            [sys.executable, "-c", look + "sys.exit(hand_over(sys.argv[1:]))"],
            env=_environment(home),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        assert 4 == caller.wait(120)
        assert b"--nope" in screen.read(4096)
