"""Which processes are taken for a Prefect server that is about to answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pulseq.orchestration.starting_server import ended_in_background, find_starting_server

WAITS = "import sys; print('here', flush=True); sys.stdin.read()"
FOREGROUND = ("/venv/bin/prefect", "server", "start")
BACKGROUND = ("-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--host", "127.0.0.1")


@contextmanager
def called(*words: str, **variables: str) -> Iterator[int]:
    """A process that was called with these words, whatever it really does; its number."""
    line = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WAITS, *words], env=variables, **line) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()  # for a moment after its start the kernel does not know its words
        try:
            yield process.pid
        finally:
            process.stdin.close()


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ((*FOREGROUND, "--port", "41999"), {}),
        (FOREGROUND, {"PREFECT_SERVER_API_PORT": "41999"}),
        (("-m", "prefect", "server", "start", "--port", "41999"), {}),
        ((*BACKGROUND, "--port", "41999"), {}),
        (("-m", "uvicorn", "--factory", "pulseq.orchestration.server_doors:create_app", "--port", "41999"), {}),
    ],
    ids=["port", "variable", "module", "background", "doors"],
)
def test_a_server_for_the_port_is_found(words: tuple[str, ...], variables: dict[str, str]) -> None:
    with called(*words, **variables) as pid:
        found = find_starting_server("http://127.0.0.1:41999/api")

    assert found is not None
    assert pid == found.pid


@pytest.mark.parametrize(
    "words",
    [
        (*FOREGROUND, "--port", "41998"),
        ("/venv/bin/prefect", "server", "status", "--port", "41999"),
        ("--port", "41999"),
    ],
    ids=["another-port", "another-command", "another-program"],
)
def test_no_other_process_is_taken_for_one(words: tuple[str, ...]) -> None:
    with called(*words):
        assert find_starting_server("http://127.0.0.1:41999/api") is None


def test_nothing_is_looked_for_on_behalf_of_another_machine() -> None:
    with called(*FOREGROUND, "--port", "41999"):
        assert find_starting_server("http://prefect.example:41999/api") is None


def test_one_that_has_ended_is_none() -> None:
    with called(*FOREGROUND, "--port", "41999"):
        pass

    assert find_starting_server("http://127.0.0.1:41999/api") is None


@pytest.mark.parametrize(
    ("url", "gone"),
    [("http://127.0.0.1:4200/api", True), ("https://prefect.example/api", False)],
    ids=["here", "elsewhere"],
)
def test_one_in_the_background_that_nobody_has_stopped_is_known_to_be_gone(
    tmp_path: Path, url: str, gone: bool
) -> None:
    with called(*BACKGROUND) as pid:
        (tmp_path / "server.pid").write_text(str(pid))
        assert not ended_in_background(url, tmp_path)

    assert gone is ended_in_background(url, tmp_path)


@pytest.mark.parametrize("text", [None, "", "nine"], ids=["stopped", "empty", "damaged"])
def test_where_nothing_is_told_of_one_in_the_background_there_was_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "server.pid").write_text(text)

    assert not ended_in_background("http://127.0.0.1:4200/api", tmp_path)
