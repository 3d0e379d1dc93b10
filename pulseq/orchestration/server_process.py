"""A Prefect server on an inherited socket (`python -m pulseq.orchestration.server_process`).

The owner binds the socket, so the address is known before the server is up and whoever connects
early waits in its backlog instead of asking again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import inspect
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from pulseq.orchestration.api_auth import SERVERS_VARIABLE
from pulseq.orchestration.server_database import copy_empty, is_up_to_date, prepare_database, template_path
from pulseq.orchestration.server_doors import LOOPBACK_NAMES, Doors, origins_of
from pulseq.ownership import close_to_others, make_own_directory, open_own
from pulseq.processes.child import has_been_told, leave_with_owner, read_configuration, tell_owner, watch_lifeline
from pulseq.processes.loading import loading_much

#: The prefixes of all that a run asks its server for.
ASKED_FOR = frozenset({"/flows", "/flow_runs", "/task_runs", "/admin", "/csrf-token", "/events"})
#: How often a server that lives for one run records task runs: that run's end waits for it.
FLUSH_SECONDS = 0.1
#: How the key of our task begins in its events; Prefect adds a digest of its source.
_OUR_TASK = b'"task_key":"run_test_with_retry-'


def choose_database(shared: Path, private: Path) -> Path:
    """The shared database file if no other server has it, else a private one.

    SQLite takes one writer at a time; two servers on one file would fight for it. The lock is
    held by an open file for as long as this process lives, however it ends.
    """
    make_own_directory(shared.parent)
    lock = open_own(shared.with_suffix(".lock"), os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        make_own_directory(private.parent)
        return private
    return shared


def ask_first_for_ours(prefect_server: Any) -> None:
    """Have the server look through what a run asks for before all else that Prefect offers.

    FastAPI makes a router ready when the first request looks through it: 180 routes, over half a second of a
    processor, stand before what a flow run asks for first (`/admin/version`). The order means nothing else,
    since no two routers have paths in common.
    """
    if hasattr(prefect_server, "API_ROUTERS"):  # another release may have none, and is only slower then
        ordered = sorted(prefect_server.API_ROUTERS, key=lambda router: router.prefix not in ASKED_FOR)
        prefect_server.API_ROUTERS = tuple(ordered)


def make_nothing_twice(configuration: Any, settings: Any) -> None:
    """Leave out what making the server's app does for who makes several: 60 ms each time, for all settings there are.

    Loggers are as Prefect's import has made them, by the same settings. The hash of the settings is what apps are
    told apart by. A release that does this elsewhere is only slower.

    Args:
        configuration: the module that makes loggers.
        settings: the class of Prefect's settings.
    """
    configuration.setup_logging = lambda: configuration.PROCESS_LOGGING_CONFIG
    settings.hash_key = lambda _: "the one that there is"


def record_soon(recorder: Any) -> None:
    """Have the server record task runs ten times a second.

    Prefect cuts the seconds of its setting to a whole number, and one second is what the end of a short run then
    waits for. A release whose recorder is made in another way keeps its setting.
    """
    consumer = getattr(recorder, "consumer", None)
    if consumer is not None and "flush_every" in inspect.signature(consumer).parameters:
        recorder.consumer = lambda *given, **named: consumer(*given, **{**named, "flush_every": FLUSH_SECONDS})


def keep_no_states_as_events(persister: Any) -> None:
    """Have the event feed leave out the states of our tests' task runs.

    The task run has them all. In the feed each of them is a third of what the server does for a test, and most of
    what its database grows by. Automations hear of them as before. A release whose feed is written in another way
    writes them.
    """
    create_handler = getattr(persister, "create_handler", None)
    if create_handler is None:
        return

    @contextlib.asynccontextmanager
    async def create(*given: Any, **named: Any) -> AsyncIterator[Callable[[Any], Awaitable[None]]]:
        async with create_handler(*given, **named) as handle:

            async def handle_others(message: Any) -> None:
                if not is_state_of_a_test(message.data):
                    await handle(message)

            yield handle_others

    persister.create_handler = create


def is_state_of_a_test(event: bytes | str | None) -> bool:
    """Whether an event, as JSON, is a state of a task run of ours."""
    data = event.encode() if isinstance(event, str) else event or b""
    return b'"prefect.task-run.' in data and _OUR_TASK in data


def set_auth(auth: str | None) -> None:
    """Have the server ask for this, and for nothing that the environment of its owner may name."""
    os.environ.pop(SERVERS_VARIABLE, None)
    if auth is not None:
        os.environ[SERVERS_VARIABLE] = auth


def close_pages(directory: Path) -> None:
    """Close to others the directories of Prefect's pages, which it copies with the modes that they have."""
    for place, _, _ in os.walk(directory):
        close_to_others(Path(place))


def load() -> None:
    """Import what a server is made of, which takes two seconds; nothing is opened or written."""
    with loading_much():
        importlib.import_module("uvicorn")
        importlib.import_module("prefect.server.api.server")


def serve(configuration: dict[str, Any]) -> None:
    """Run the server until the process is ended."""
    os.umask(0o077)  # its database, what SQLite makes beside it, and the pages that Prefect copies
    os.environ.update(configuration["environment"])
    set_auth(configuration["auth"])
    database = choose_database(Path(configuration["shared_database"]), Path(configuration["private_database"]))
    os.environ["PREFECT_API_DATABASE_CONNECTION_URL"] = f"sqlite+aiosqlite:///{database}"
    template = template_path()
    if copy_empty(database, template) and is_up_to_date(database, template):
        # A fifth of a second, for a look through all migrations that there are.
        os.environ.setdefault("PREFECT_API_DATABASE_MIGRATE_ON_START", "false")
    if "prefect" in sys.modules:  # which has read its settings before they were all known
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()

    with loading_much():
        import uvicorn
        from prefect.logging import configuration as logging_configuration
        from prefect.server.api import server as prefect_server
        from prefect.server.database import provide_database_interface
        from prefect.server.events.services import event_persister
        from prefect.server.services import task_run_recorder
        from prefect.settings import Settings

        make_nothing_twice(logging_configuration, Settings)
        ask_first_for_ours(prefect_server)
        if configuration["passing"]:
            record_soon(task_run_recorder)
        keep_no_states_as_events(event_persister)
        app = prefect_server.create_app()

    close_pages(Path(os.environ["PREFECT_UI_STATIC_DIRECTORY"]))
    prepare_database(database, template, lambda: asyncio.run(provide_database_interface().create_db()))
    listener = socket.socket(fileno=configuration["socket_fd"])
    doors = Doors(
        app,
        names=LOOPBACK_NAMES,
        origins=origins_of(LOOPBACK_NAMES, listener.getsockname()[1]),
        with_login=configuration["auth"] is not None,
    )
    server = uvicorn.Server(
        uvicorn.Config(doors, log_level="error", access_log=False, lifespan="on", timeout_graceful_shutdown=1)
    )
    tell_owner({"database": str(database)})
    server.run(sockets=[listener])


def main() -> None:
    if not has_been_told():
        leave_with_owner()
        with contextlib.suppress(Exception):  # it fails again, and is told of, once there is a log
            load()  # what it is to be is told meanwhile, or that nobody wants it
    configuration = read_configuration()
    os.dup2(open_own(Path(configuration["log"])), 2)
    watch_lifeline(lambda: None)
    serve(configuration)


if __name__ == "__main__":
    main()
