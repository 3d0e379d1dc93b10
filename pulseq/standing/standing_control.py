"""From outside: start the keeper of what stands, and end it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pulseq.cluster.standing_cluster import StandingCluster, find_cluster, forget_cluster, own_home, standing_directory
from pulseq.errors import InfrastructureError
from pulseq.execution.runtime import wire
from pulseq.fleet import Fleet
from pulseq.processes.process_id import ProcessId
from pulseq.processes.spawn import spawn_module
from pulseq.security.credentials import Credentials

#: A keeper ends its parts in less than this, also when runs have something to say to the server.
END_PATIENCE_SECONDS = 20.0
#: What its parts need to see that it is gone, and to end their bodies.
LAST_WILL_SECONDS = 5.0


def start_cluster(
    home: Path,
    fleet: Fleet,
    api_url: str | None,
    on_ready: Callable[[str], None],
    *,
    on_note: Callable[[str], None] = lambda text: None,
    run_host: str | None = None,
    with_auth: bool = True,
    listen: str = "",
    credentials: Credentials | None = None,
) -> bool:
    """Start the keeper and wait until all its parts are ready.

    Args:
        api_url: the Prefect API to be used; None has a server started.
        on_ready: called with the name of each part as it gets ready.
        on_note: told what is waited for where it takes long.
        run_host: the module of a process that runs are to start from; None for none.
        with_auth: whether the server that is started asks everybody for an auth string.
        listen, credentials: see `StandingKeeper`.

    Returns:
        False where another keeper has this state directory already.

    Raises:
        InfrastructureError: a part does not start; nothing is left running.
    """
    log_path = standing_directory(home) / "logs" / "keeper.log"
    pid, line = spawn_module(
        "pulseq.standing.standing_process", log_path=log_path, environment={"PULSEQ_HOME": str(home)}
    )
    with line:
        try:
            order = {
                "home": str(home),
                "fleet": asdict(fleet),
                "api_url": api_url,
                "run_host": run_host,
                "with_auth": with_auth,
                "listen": listen,
                "credentials": credentials and credentials.told(),
            }
            with contextlib.suppress(ConnectionError):  # it has ended, which is heard
                wire.send(line, order)
            return _hear(_messages(line), on_ready, log_path, on_note)
        except BaseException:
            os.kill(pid, signal.SIGTERM)
            line.shutdown(socket.SHUT_WR)
            for _ in _messages(line):
                continue
            os.waitpid(pid, 0)
            raise


def _messages(line: socket.socket) -> Iterator[wire.Message]:
    """What comes until the end of the line, which is an error where the other end has left something unread."""
    with contextlib.suppress(ConnectionError):
        while (message := wire.receive(line)) is not None:
            yield message


def _hear(
    messages: Iterable[wire.Message],
    on_ready: Callable[[str], None],
    log_path: Path,
    on_note: Callable[[str], None] = lambda text: None,
) -> bool:
    for message in messages:
        if "ready" in message:
            on_ready(message["ready"])
        elif "note" in message:
            on_note(message["note"])
        elif "failed" in message:
            raise InfrastructureError(f"{message['failed']} (nothing was left running)")
        else:
            return "running" in message
    raise InfrastructureError(f"the keeper of the nodes ended while it started; its log is {log_path}")


def end_cluster(home: Path) -> StandingCluster | None:
    """End what stands, and wait until all of it is gone.

    Returns:
        What stood, also where its keeper had died before; None where there was nothing.

    Raises:
        InfrastructureError: a process of it does not end.
    """
    cluster = find_cluster(home)
    if cluster is None:
        return None
    cluster.keeper.signal(signal.SIGTERM)
    cluster.keeper.signal(signal.SIGCONT)  # what is stopped heeds nothing else
    if not cluster.keeper.wait(END_PATIENCE_SECONDS):
        cluster.keeper.signal(signal.SIGKILL)
    # The last word on what there was: a part may have been started again until the keeper ended.
    cluster = find_cluster(home) or cluster
    _see_off([process for process in cluster.processes if _belongs_to(process, home)])
    _tidy(home)
    return cluster


def _belongs_to(process: ProcessId, home: Path) -> bool:
    # Who wrote the file of a keeper that has died is not known: it may name anybody's process.
    return process.read_environment().get("PULSEQ_HOME") == str(home)


def _see_off(processes: Sequence[ProcessId]) -> None:
    """Wait for the processes of a cluster whose keeper has ended; kill what does not end."""
    end = time.monotonic() + LAST_WILL_SECONDS
    for process in processes:
        process.signal(signal.SIGCONT)
    for process in processes:
        if not process.wait(end - time.monotonic()):
            process.signal(signal.SIGKILL)
            if not process.wait(LAST_WILL_SECONDS):
                raise InfrastructureError(f"process {process.pid} of the nodes does not end, not even by SIGKILL")


def _tidy(home: Path) -> None:
    # A keeper that ended well has done so itself; and another may have begun since, which holds the lock.
    with own_home(home) as owned:
        if owned:
            forget_cluster(home)
            shutil.rmtree(standing_directory(home), ignore_errors=True)
