"""Prefect servers of this machine that were started and do not answer: not yet, which takes seconds, or no more."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pulseq.processes.loopback import is_on_loopback
from pulseq.processes.process_id import ProcessId

_PORT_VARIABLE = "PREFECT_SERVER_API_PORT"
_USUAL_PORT = "4200"
#: What `prefect server start --background` leaves, and `prefect server stop` removes.
_BACKGROUND_PID = "server.pid"
#: What the server's own process is called with, and what makes one in the background (`--background`).
_FACTORIES = ("prefect.server.api.server:create_app", "server_doors:create_app")


def find_starting_server(url: str) -> ProcessId | None:
    """A process of this machine that serves the API at `url`, or is about to: to be asked where nothing listens there.

    Args:
        url: the API; for one that is not on loopback the answer is None.
    """
    if not is_on_loopback(url):
        return None
    import psutil  # for the one case in which nothing answers

    port = str(urlsplit(url).port or 80)
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []  # none of what has ended, or is not ours to see
        if _is_server(words) and (found := ProcessId.of(process.pid)) and _listens_at(found, words, port):
            return found
    return None


def ended_in_background(url: str, prefect_home: Path) -> bool:
    """Whether a server was started for this machine with `--background`, and is gone without having been stopped.

    Its output is a pipe that nobody reads, so it ends at its first warning.
    """
    if not is_on_loopback(url):
        return False
    try:
        told = (prefect_home / _BACKGROUND_PID).read_text()
        return ProcessId.of(int(told)) is None
    except (OSError, ValueError):
        return False


def _listens_at(process: ProcessId, words: list[str], port: str) -> bool:
    if "--port" in words[:-1]:
        return words[words.index("--port") + 1] == port
    environment = process.read_environment()
    # Nobody's environment is empty: it cannot be read, since the process is somebody else's.
    return bool(environment) and environment.get(_PORT_VARIABLE, _USUAL_PORT) == port


def _is_server(words: list[str]) -> bool:
    if any(word.endswith(_FACTORIES) for word in words):
        return True
    # `/bin/python /bin/prefect server start`, and `python -m prefect server start`.
    pairs = zip(words, words[1:], words[2:], strict=False)
    return any(
        Path(first).name == "prefect" and (second, third) == ("server", "start") for first, second, third in pairs
    )
