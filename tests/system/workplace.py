"""A directory to run the command line in, and what a test asks of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from pulseq.orchestration.api_auth import CLIENTS_VARIABLE
from pulseq.results.formats import format_json
from pulseq.results.sandbox import run_sql
from pulseq.standing.kept_auth import read_auth

#: A generous bound on things that take seconds: reached only when something hangs.
PATIENCE_SECONDS = 120.0


@dataclass
class Finished:
    """A run of the command line that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class _Read:
    """How far a journal has been read, and what stood there."""

    offset: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Workplace:
    """A directory with a state directory in it, and the command line to use them."""

    path: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    _read: dict[str, _Read] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def temp(self) -> Path:
        """Where nodes and bodies have their temporary directories."""
        return self.path / "t"

    @property
    def database(self) -> Path:
        return self.home / "results.duckdb"

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        return self.start_program("-m", "pulseq", *arguments, **environment)

    def start_program(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """A program in Python that is not ours."""
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self.path,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str | Path, **environment: str) -> Finished:
        return finish(self.start(*arguments, **environment))

    def standing_variables(self) -> dict[str, str]:
        """What programs need to speak to the Prefect server that `pulseq up` keeps here."""
        told = json.loads((self.home / "standing.json").read_text())
        auth = read_auth(self.home)
        return {"PREFECT_API_URL": told["api_url"], **({CLIENTS_VARIABLE: auth} if auth else {})}

    def standing_api(self) -> httpx.Client:
        """A client of that server, which knows its auth string."""
        variables = self.standing_variables()
        user, _, password = variables["PREFECT_API_AUTH_STRING"].partition(":")
        return httpx.Client(base_url=variables["PREFECT_API_URL"], auth=(user, password), timeout=60)

    def sql(self, query: str) -> list[dict[str, Any]]:
        """What `pulseq sql --format json` answers, but for the command line, which takes as long as all of it."""
        answer = run_sql(self.database, query, timeout_seconds=PATIENCE_SECONDS)
        rows: list[dict[str, Any]] = json.loads("".join(format_json(answer)))
        return rows

    def processes(self) -> list[psutil.Process]:
        """Every process that was started for this workplace and lives, whatever became of its parents."""
        return [process for process in psutil.process_iter() if _names(process, self.path)]

    def nodes(self) -> dict[str, psutil.Process]:
        """The process of each node that lives, by its id."""
        known = ((_node_of(process), process) for process in self.processes())
        return {node_id: process for node_id, process in known if node_id is not None}

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        """What the journal of a run says by now; what was read before is not parsed again."""
        path = self.home / "runs" / run_id / "journal.jsonl"
        if path.exists():
            known = self._read.setdefault(run_id, _Read())
            with open(path, "rb") as file:
                file.seek(known.offset)
                whole = file.read().rpartition(b"\n")[0]
            if whole:
                known.offset += len(whole) + 1
                known.lines += [json.loads(line) for line in whole.splitlines()]
        return list(self._read[run_id].lines) if run_id in self._read else []


def _names(process: psutil.Process, place: Path) -> bool:
    # Our processes have PULSEQ_HOME there, bodies their TMPDIR.
    try:
        variables = Path(f"/proc/{process.pid}/environ").read_bytes()
        return process.status() != psutil.STATUS_ZOMBIE and str(place).encode() in variables
    except (psutil.Error, OSError):
        return False


def _node_of(process: psutil.Process) -> str | None:
    # A node's log has its name; a process may end while it is looked at.
    try:
        if "pulseq.node.node_process" in process.cmdline():
            return Path(os.readlink(f"/proc/{process.pid}/fd/2")).stem
    except (psutil.Error, OSError):
        pass
    return None


def finish(process: subprocess.Popen[str]) -> Finished:
    out, err = process.communicate(timeout=PATIENCE_SECONDS * 3)
    return Finished(process.returncode, out, err)


def until(question: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true answer; fails where none comes."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def watch_callbacks(workplace: Workplace) -> Path:
    """Have its processes of ours tell of callbacks that keep an event loop waiting; the directory of what they tell."""
    start, told = workplace.path / "start", workplace.path / "told"
    for place in (start, told):
        place.mkdir()
    shutil.copy(Path(__file__).with_name("slow_callbacks.py"), start / "sitecustomize.py")
    workplace.environment |= {"PYTHONPATH": str(start), "SLOW_CALLBACKS": str(told)}
    return told
