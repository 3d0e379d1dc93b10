"""The keeper of what stands between runs (`python -m pulseq.standing.standing_process`).

`pulseq up` starts it in a session of its own, hears of its progress, and leaves. It owns server, scheduler
and nodes: they end when it does, however that happens. SIGTERM asks it to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulseq.cluster.node_starter import NodeStarter
from pulseq.cluster.own_nodes import allow_open_files
from pulseq.cluster.standing_cluster import (
    FILE_NAME,
    MARKS_NAME,
    Condition,
    StandingCluster,
    credentials_path,
    decode_fleet,
    forget_cluster,
    own_home,
    standing_directory,
    users_path,
    write_cluster,
)
from pulseq.errors import PulseqError
from pulseq.fleet import Fleet, NodeSpec
from pulseq.orchestration.api_auth import choose_auth
from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.quiet_settings import NODE_SETTINGS, STANDING_SERVER_SETTINGS
from pulseq.ownership import open_own
from pulseq.processes.child import read_configuration, tell_owner
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.loopback import bind_loopback
from pulseq.processes.node_forks import START_PATIENCE_SECONDS, make_temp_root
from pulseq.processes.process_id import ProcessId
from pulseq.security.credentials import Credentials, keep_credentials
from pulseq.standing.kept_auth import keep_auth
from pulseq.standing.standing_part import Process, StandingPart

logger = logging.getLogger("pulseq.standing")
#: How long the server outlives scheduler and nodes, for runs that go on to tell it how they ended.
FAREWELL_SECONDS = 6.0
#: How often the keeper looks whether its state directory is still there.
HOME_POLL_SECONDS = 5.0
_POLL_SECONDS = 0.05


class StandingKeeper:
    """Server, scheduler and nodes of one state directory, and the file that tells of them.

    Args:
        api_url: the Prefect API that is configured; None has a server started here.
        run_host: the module of the process that runs start from; None for none.
        auth: what the server that is started here asks everybody for; None for nothing.
        listen: ADDRESS:PORT at which nodes and runs of other machines reach the scheduler; empty for none.
        credentials: with which all of them are of one site; None makes some for this machine alone.
    """

    def __init__(
        self,
        home: Path,
        fleet: Fleet,
        api_url: str | None,
        run_host: str | None = None,
        *,
        auth: str | None = None,
        listen: str = "",
        credentials: Credentials | None = None,
    ) -> None:
        self.home = home
        self.fleet = fleet
        self.ended = asyncio.Event()
        self._directory = standing_directory(home)
        self._listener = None if api_url else bind_loopback()
        self._api_url = api_url or f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"  # type: ignore[union-attr]
        self._auth = auth
        self._listen = listen
        self._scheduler_address = ""
        self._credentials = credentials
        self._scheduler_runs = asyncio.Event()
        self._scheduler_temp_root = make_temp_root()
        self._starter = NodeStarter(
            fleet,
            logs=self._directory / "logs",
            shared=self._scheduler_temp_root / "pytest",
            environment=NODE_SETTINGS,
            heartbeat_seconds=fleet.framework.heartbeat_interval,
            node_timeout_seconds=fleet.framework.node_timeout,
        )
        self._fork_server = self._starter.forks.fork_server
        self._fork_server.on_note = self._say
        self._ending = False
        self._started = False
        self._since = time.time()
        self._server = StandingPart("server", self._start_server, self._note) if self._listener else None
        self._scheduler = StandingPart("scheduler", self._start_scheduler, self._note)
        self._scheduler.on_death = self._end_nodes
        # Those that join are nobody's to start, or to bring back.
        self._nodes = [self._node_part(spec) for spec in fleet.nodes if not spec.joins]
        self._run_host_module = run_host
        self._run_host = StandingPart("run host", self._start_run_host, self._note) if run_host else None

    @property
    def parts(self) -> list[StandingPart]:
        own = [part for part in (self._server, self._scheduler, self._run_host) if part]
        return [*own, *self._nodes]

    def describe(self) -> StandingCluster:
        """All of it as it is now."""
        keeper = ProcessId.of(os.getpid())
        assert keeper is not None
        return StandingCluster(
            keeper=keeper,
            condition=self._condition(),
            api_url=self._api_url,
            ui_url=self._api_url.removesuffix("/api") if self._server else None,
            scheduler=self._scheduler_address,
            listen=self._listen,
            fleet=self.fleet,
            since=self._since,
            parts=tuple(part.state for part in self.parts),
            helpers=tuple(helper for helper in [ProcessId.of(self._fork_server.pid or 0)] if helper is not None),
        )

    def _condition(self) -> Condition:
        if self._ending:
            return Condition.ENDING
        # Without a process to start from, a run starts by itself.
        needed = [part.state.condition for part in self.parts if part not in (*self._nodes, self._run_host)]
        nodes = [node for node in self._nodes if node.state.condition is not Condition.GIVEN_UP]
        if Condition.GIVEN_UP in needed or (self._nodes and not nodes):
            return Condition.GIVEN_UP
        # A host that is out of reach may be so for long, and keeps nobody from the others.
        there = [node for node in nodes if not (node.is_patient and node.state.condition is Condition.RESTARTING)]
        needed += [node.state.condition for node in there or nodes]
        if all(condition is Condition.RUNNING for condition in needed):
            return Condition.RUNNING
        return Condition.RESTARTING if self._started else Condition.STARTING

    def _note(self) -> None:
        try:
            write_cluster(self.home, self.describe())
        except OSError as error:
            # A full disk is no reason to take a part for dead.
            logger.error("%s cannot be written: %s", FILE_NAME, error)

    def _say(self, text: str) -> None:
        """Tell the log, and whoever waits for the start."""
        logger.info(text)
        with contextlib.suppress(OSError):
            tell_owner({"note": text})

    async def start(self) -> None:
        """Start everything side by side.

        Raises:
            InfrastructureError: a part does not start.
        """
        keep_auth(self.home, self._auth)
        self._note()
        if self._starter.has_local():
            await self._fork_server.start()
        allow_open_files(len(self.fleet.nodes))
        async with asyncio.TaskGroup() as group:
            for part in self.parts:
                group.create_task(self._start_and_tell(part))
        self._started = True

    async def _start_and_tell(self, part: StandingPart) -> None:
        await part.start()
        tell_owner({"ready": part.name})

    async def keep(self) -> None:
        """Bring back what dies, until asked to end."""
        async with asyncio.TaskGroup() as group:
            keeping = [group.create_task(part.keep()) for part in self.parts]
            keeping.append(group.create_task(self._watch_home()))
            await self.ended.wait()
            for task in keeping:
                task.cancel()

    async def _watch_home(self) -> None:
        """End when the state directory has been removed: `pulseq down` could not find its way here any more."""
        while (self.home / FILE_NAME).exists():  # noqa: ASYNC110 - a directory has no event
            await asyncio.sleep(HOME_POLL_SECONDS)
        logger.warning("%s is gone, so all ends", self.home / FILE_NAME)
        self.ended.set()

    async def stop(self) -> None:
        """End everything: the scheduler first, so that no run takes the end of the nodes for their loss."""
        self._ending = True
        self._note()
        await self._scheduler.stop()
        await self._end_nodes()
        await self._starter.stop()
        if self._run_host is not None:
            await self._run_host.stop()
        if self._server is not None:
            await self._wait_for_users()
            await self._server.stop()
        if self._listener is not None:
            self._listener.close()
        await asyncio.to_thread(shutil.rmtree, self._scheduler_temp_root, ignore_errors=True)

    async def _wait_for_users(self) -> None:
        end = time.monotonic() + FAREWELL_SECONDS
        with contextlib.suppress(FileNotFoundError), open(open_own(users_path(self.home)), "ab") as users:
            while time.monotonic() < end:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                await asyncio.sleep(_POLL_SECONDS)

    async def _end_nodes(self) -> None:
        self._scheduler_runs.clear()
        await asyncio.gather(*(node.stop() for node in self._nodes))

    async def _start_server(self) -> Process:
        assert self._listener is not None
        # Our copy of the socket stays open: the port stays ours, and who asks meanwhile waits for an answer.
        server = await EmbeddedServer.start(
            state_directory=self.home,
            run_directory=self._directory,
            listener=self._listener.dup(),
            settings=STANDING_SERVER_SETTINGS,
            auth=self._auth,
            say=self._say,
        )
        async with _ended_unless_ready(server):
            await server.ready()
        return server

    async def _start_scheduler(self) -> Process:
        # The same port again: clients and the file in the state directory know it by that.
        host, _, fixed = self._listen.rpartition(":")
        port = int(fixed or self._scheduler_address.rpartition(":")[2] or 0)
        framework = self.fleet.framework
        process, told = await self._start_module(
            "the Dask scheduler",
            "pulseq.cluster.scheduler_process",
            {
                "listen": host.strip("[]") or None,
                "port": port,
                "credentials": self._credentials and self._credentials.told(),
                "worker_ttl_seconds": framework.node_timeout,
                "heartbeat_seconds": min(framework.heartbeat_interval, framework.node_timeout / 3),
                "nodes": {
                    spec.id: {"env": dict(spec.env), "python": spec.python} for spec in self.fleet.nodes if spec.joins
                },
                "outlives_runs": True,
                "temp_root": str(self._scheduler_temp_root),
                "marks": str(self.home / MARKS_NAME),
            },
            log="scheduler.log",
        )
        if note := told.get("note"):
            self._say(note)
        self._credentials = Credentials.of(told["credentials"])
        assert self._credentials is not None
        keep_credentials(credentials_path(self.home), self._credentials)
        self._scheduler_address = told["address"]
        self._scheduler_runs.set()
        return process

    async def _start_run_host(self) -> Process:
        assert self._run_host_module is not None
        name, configuration = "the process that runs start from", {"directory": str(self._directory)}
        process, _ = await self._start_module(name, self._run_host_module, configuration, log="run-host.log")
        return process

    async def _start_module(
        self, name: str, module: str, configuration: Mapping[str, Any], *, log: str
    ) -> tuple[Process, dict[str, Any]]:
        """A process that is ready, and what it then said."""
        process = await LocalProcess.start(name, module, configuration, log_path=self._directory / "logs" / log)
        process.keep_going(self._say)
        async with _ended_unless_ready(process):
            return process, await process.ready(START_PATIENCE_SECONDS, self._say)

    def _node_part(self, spec: NodeSpec) -> StandingPart:
        part = StandingPart(spec.id, lambda: self._start_node(spec), self._note)
        part.is_excused = lambda: not self._scheduler_runs.is_set()
        part.is_patient = not spec.is_local  # a host may be away for long
        return part

    async def _start_node(self, spec: NodeSpec) -> Process:
        await self._scheduler_runs.wait()
        return await self._starter.start_node(spec, self._scheduler_address, self._credentials)


@contextlib.asynccontextmanager
async def _ended_unless_ready(process: Process) -> Any:
    try:
        yield
    except BaseException:
        await process.stop()
        raise


async def keep_standing(configuration: dict[str, Any]) -> None:
    """Start what is asked for, tell the caller when it is ready, and keep it until SIGTERM."""
    home = Path(configuration["home"])
    with own_home(home) as owned:
        if not owned:
            tell_owner({"taken": True})
            return
        api_url = configuration["api_url"]
        keeper = StandingKeeper(
            home,
            decode_fleet(configuration["fleet"]),
            api_url,
            configuration.get("run_host"),
            auth=choose_auth() if configuration["with_auth"] and api_url is None else None,
            listen=configuration["listen"],
            credentials=Credentials.of(configuration["credentials"]),
        )
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, keeper.ended.set)
        trouble: str | None = None
        try:
            trouble = await _bring_up(keeper)
            if trouble is None:
                await keeper.keep()
        finally:
            await keeper.stop()
            forget_cluster(home)
        if trouble is None:
            await asyncio.to_thread(shutil.rmtree, standing_directory(home), ignore_errors=True)
        else:
            logger.error(trouble)
            with contextlib.suppress(ConnectionError):
                tell_owner({"failed": trouble})


async def _bring_up(keeper: StandingKeeper) -> str | None:
    """Start everything and tell the caller; what went wrong, or None."""
    starting = asyncio.ensure_future(keeper.start())
    ended = asyncio.ensure_future(keeper.ended.wait())
    await asyncio.wait({starting, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
        return "it was told to end while it started"
    trouble: str | None = None
    try:
        starting.result()
        tell_owner({"running": True})
        leave_owner()
    except* (PulseqError, OSError) as errors:
        # An `OSError` also where the caller has left: then nobody waits for this.
        trouble = str(errors.exceptions[0])
    return trouble


def leave_owner() -> None:
    """Let go of the line to the caller: it sees its end, and is no more needed."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.close(nowhere)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(keep_standing(read_configuration()))


if __name__ == "__main__":
    main()
