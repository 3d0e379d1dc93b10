"""What a killed node has left is found by its own file, and nothing else is touched."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulseq.node.leftovers import FILE_NAME, Leftovers
from pulseq.processes.process_id import ProcessId

_SLEEP = "import sys; print('', flush=True); sys.stdin.read()"


@pytest.fixture
def place() -> Iterator[Path]:
    path = Path(tempfile.gettempdir(), f"pulseq-test-{secrets.token_hex(6)}")
    path.mkdir()
    yield path
    if path.exists():
        path.rmdir()


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def start(sleepers: list[subprocess.Popen[bytes]], **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", _SLEEP],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    sleepers.append(process)
    assert process.stdout is not None
    process.stdout.readline()  # it has its variables by now
    return process


def test_what_was_noted_is_found_again(tmp_path: Path, place: Path) -> None:
    Leftovers(tmp_path).note(process=os.getpid(), place=place, incarnation="a")

    found = Leftovers.read(tmp_path)

    assert ([ProcessId.of(os.getpid())], [place], ["a"]) == (found.processes, found.places, found.incarnations)


def test_processes_and_directories_are_swept_and_bodies_that_lived_in_these(
    tmp_path: Path, place: Path, sleepers: list[subprocess.Popen[bytes]]
) -> None:
    noted, body = start(sleepers), start(sleepers, TMPDIR=str(place / "attempt" / "tmp"))
    stranger = start(sleepers, TMPDIR=str(place.with_name(place.name + "-other")))
    Leftovers(tmp_path).note(process=noted.pid, place=place)

    assert (2, 1) == Leftovers.read(tmp_path).sweep()

    assert [-9, -9] == [noted.wait(30), body.wait(30)]
    assert stranger.poll() is None
    assert not place.exists()


def test_another_process_that_has_the_number_now_is_left_alone(
    tmp_path: Path, sleepers: list[subprocess.Popen[bytes]]
) -> None:
    other = start(sleepers)
    left = Leftovers(tmp_path, processes=[ProcessId(other.pid, started=1)])

    assert (0, 0) == left.sweep()
    assert other.poll() is None


def test_what_is_gone_is_forgotten_and_the_latest_starts_are_known(tmp_path: Path, place: Path) -> None:
    left = Leftovers(tmp_path)
    left.note(place=place)
    place.rmdir()
    for number in range(20):
        left.note(incarnation=str(number))

    found = Leftovers.read(tmp_path)
    assert ([], [str(number) for number in range(12, 20)]) == (found.places, found.incarnations)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"processes": [{"pid": "x"}], "places": [], "incarnations": []}'])
def test_a_file_that_tells_of_nothing_leaves_nothing_to_sweep(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)

    assert (0, 0) == Leftovers.read(tmp_path).sweep()
