"""A Prefect server on an inherited socket (`python -m pulseq.engine.server_process`).

The owner binds the socket, so the address is known before the server is up and whoever connects
early waits in its backlog instead of asking again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from pathlib import Path
from typing import Any

from pulseq.engine.child import read_configuration, tell_owner, watch_lifeline
from pulseq.engine.loading import loading_much
from pulseq.engine.server_database import prepare_database, template_path


def choose_database(shared: Path, private: Path) -> Path:
    """The shared database file if no other server has it, else a private one.

    SQLite takes one writer at a time; two servers on one file would fight for it. The lock is
    held by an open file for as long as this process lives, however it ends.
    """
    shared.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(shared.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        private.parent.mkdir(parents=True, exist_ok=True)
        return private
    return shared


def serve(configuration: dict[str, Any]) -> None:
    """Run the server until the process is ended."""
    database = choose_database(Path(configuration["shared_database"]), Path(configuration["private_database"]))
    os.environ["PREFECT_API_DATABASE_CONNECTION_URL"] = f"sqlite+aiosqlite:///{database}"

    with loading_much():
        import uvicorn
        from prefect.server.api.server import create_app
        from prefect.server.database import provide_database_interface

    prepare_database(database, template_path(), lambda: asyncio.run(provide_database_interface().create_db()))
    listener = socket.socket(fileno=configuration["socket_fd"])
    server = uvicorn.Server(
        uvicorn.Config(create_app(), log_level="error", access_log=False, lifespan="on", timeout_graceful_shutdown=1)
    )
    tell_owner({"database": str(database)})
    server.run(sockets=[listener])


def main() -> None:
    configuration = read_configuration()
    watch_lifeline(lambda: None)
    serve(configuration)


if __name__ == "__main__":
    main()
