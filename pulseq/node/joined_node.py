"""A node that joins a fleet by itself, and again whenever it has lost it, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import random
import secrets
import shutil
import signal
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulseq.errors import InfrastructureError, UsageError
from pulseq.models import CapabilityValue
from pulseq.node.leftovers import Leftovers
from pulseq.orchestration.quiet_settings import NODE_SETTINGS
from pulseq.ownership import make_own_directory, open_own, refuse_foreign_in
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.node_forks import START_PATIENCE_SECONDS, NodeForks, make_temp_root
from pulseq.protocol.welcome import SILENT_CODE, NotWelcomeError
from pulseq.security.credentials import Credentials
from pulseq.security.greeting import hear_greeting
from pulseq.security.refusal import say_refusal

logger = logging.getLogger("pulseq.node")

_LOCK = "node.lock"
REACH_SECONDS = 8.0
#: Between two tries to join: the pause grows from the one to the other.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPlan:
    """What a node is to be, and where it joins.

    Attributes:
        scheduler: its address.
        credentials: of the site; None where the scheduler has none.
        labels: capabilities that are declared; the rest is read off the machine.
        port: on which it listens; 0 is any that is free.
        contact: address under which the scheduler reaches it, as `tls://HOST:PORT`; None is the one that it listens on.
        directory: for its logs and what it has to know of itself.
        projects: where it keeps what runs send of their projects; None is the usual place.
        store_bytes: how much of that it keeps; None is what runs say.
    """

    scheduler: str
    credentials: Credentials | None
    node_id: str
    labels: Mapping[str, CapabilityValue]
    slots: int
    port: int = 0
    contact: str | None = None
    directory: Path
    projects: Path | None = None
    store_bytes: int | None = None


class JoinedNode:
    """Keeps one node a member of its fleet.

    Args:
        say: told each thing that a person at its terminal wants to know.
    """

    def __init__(self, plan: JoinPlan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._leftovers = Leftovers(plan.directory)
        self._process: LocalProcess | None = None
        self._joined_once = False
        self._leaving = asyncio.Event()
        self._ending = asyncio.Event()
        self._root = make_temp_root()
        self._forks = NodeForks(
            plan.directory / "logs",
            slots=plan.slots,
            environment={**NODE_SETTINGS, "PREFECT_HOME": str(plan.directory / "prefect")},
            shared=self._root / "pytest",
            make_place=self._make_place,
        )
        self._forks.fork_server.on_note = say

    async def run(self) -> None:
        """Join, and join again, until told to end.

        Raises:
            UsageError: another process is this node already, or its directory cannot be used.
            NotWelcomeError: this node cannot be of that fleet.
            InfrastructureError: nothing could be joined there; nothing is left behind.
        """
        await self._reach()  # what is wrong at first is told, and that is all
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._hear_end)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under `nohup`
            loop.add_signal_handler(signal.SIGHUP, self._hear_hangup)
        with own_directory(self._plan.directory, lambda: self._joined_once):
            try:
                await self._until_ended(self._keep_joined())
            finally:
                await self._end()

    def _hear_end(self) -> None:
        if self._leaving.is_set() or self._process is None:
            self._ending.set()
        else:
            self._say("told to end: it takes no new tests, and ends when those that it has are done; again ends it now")
            self._process.signal(signal.SIGTERM)
        self._leaving.set()

    def _hear_hangup(self) -> None:
        if not self._leaving.is_set():  # shell and system may both tell it of one terminal
            self._hear_end()

    async def _until_ended(self, keeping: Coroutine[Any, Any, None]) -> None:
        doing = asyncio.ensure_future(keeping)
        ended = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({doing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            for task in (doing, ended):
                task.cancel()
            await asyncio.wait({doing, ended})

    async def _keep_joined(self) -> None:
        self._leftovers = Leftovers.read(self._plan.directory)
        processes, places = await asyncio.to_thread(self._leftovers.sweep)
        if processes or places:
            self._say(f"an earlier self was killed: {processes} processes ended, {places} directories removed")
        self._root.mkdir(mode=0o700)
        self._leftovers.note(place=self._root)
        await self._forks.fork_server.start()
        self._leftovers.note(process=self._forks.fork_server.pid)
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._reach()
                await self._join()
                pause = FIRST_PAUSE_SECONDS
            except NotWelcomeError:
                raise
            except InfrastructureError as error:
                if not self._joined_once:
                    raise
                logger.info("not joined: %s", error)
            if self._leaving.is_set():
                return
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _reach(self) -> None:
        """Whether a scheduler listens there that trusts us, for which nothing needs to be loaded."""
        address = self._plan.scheduler
        try:
            await hear_greeting(address, self._plan.credentials, REACH_SECONDS)
        except ssl.SSLError as error:
            raise NotWelcomeError(f"the scheduler at {address!r} cannot be joined: {say_refusal(error)}") from error
        except ValueError:
            raise UsageError(
                f"--scheduler: found {address!r}, expected an address like 'tls://10.0.0.5:8786'"
            ) from None
        except OSError as error:
            told = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
            raise InfrastructureError(
                f"no scheduler answers at {address!r} ({told}): `pulseq up --listen ADDRESS:PORT` starts one there"
            ) from error

    async def _join(self) -> None:
        """Be a member until the scheduler or the network is lost, or the node has left in order."""
        plan, former, incarnation = self._plan, self._leftovers.incarnations, secrets.token_hex(8)
        self._leftovers.note(incarnation=incarnation)
        configuration = {
            "scheduler": plan.scheduler,
            "credentials": plan.credentials and plan.credentials.told(),
            "node_id": plan.node_id,
            "way": "joined",
            "former": former,
            "incarnation": incarnation,
            "port": plan.port,
            "contact": plan.contact,
            "slots": plan.slots,
            "capabilities": dict(plan.labels),
            "first_worker": 0,
            "directory": plan.projects and str(plan.projects),
            "store_bytes": plan.store_bytes,
        }
        process = await self._forks.start_node(plan.node_id, configuration)
        try:
            self._leftovers.note(process=process.pid)
            told = await process.ready(START_PATIENCE_SECONDS)
            if "trouble" in told:
                raise (NotWelcomeError if told["refused"] else InfrastructureError)(told["trouble"])
            self._process = process
            self._say(f"joined {plan.scheduler}{' again' if self._joined_once else ''}, listens at {told['address']}")
            self._joined_once = True
            code = await process.wait()
        finally:
            self._process = None
            await process.stop()
            await self._forks.clear(plan.node_id)
        if not self._leaving.is_set():
            ended = "something in this node has failed" if code else "the connection ended"
            why = "nothing was heard of it for too long" if code == SILENT_CODE else ended
            self._say(f"lost {plan.scheduler}: {why}; what ran here was ended, it joins again")

    async def _end(self) -> None:
        await self._forks.stop()
        await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._leftovers.note()

    def _make_place(self) -> Path:
        place = make_temp_root()
        self._leftovers.note(place=place)
        return place


@contextlib.contextmanager
def own_directory(directory: Path, keep: Callable[[], bool]) -> Iterator[None]:
    """Hold the directory of a node for one process.

    Args:
        keep: whether one that was not there before is to stay.

    Raises:
        UsageError: another process has it, it belongs to somebody else, or it cannot be made.
    """
    was_there = directory.exists()
    refuse_foreign_in(directory)
    try:
        make_own_directory(directory)
        lock = open_own(directory / _LOCK)
    except OSError as error:
        raise UsageError(f"{str(directory)!r} cannot be used as the node's directory: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
        was_there = was_there or keep()
    except BlockingIOError:
        was_there = True
        raise UsageError(
            f"another process has {str(directory)!r}: this node runs here already; "
            "another one needs another --id, or another --directory"
        ) from None
    except BaseException:
        was_there = was_there or keep()
        raise
    finally:
        os.close(lock)
        if not was_there:
            shutil.rmtree(directory, ignore_errors=True)
