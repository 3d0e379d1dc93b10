"""What stands under the runs of a session: a Prefect API, a scheduler, nodes that come and go one by one."""

from __future__ import annotations

import asyncio
import logging
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pulseq.cluster.own_nodes import OwnNodes, find_port_problem
from pulseq.errors import InfrastructureError
from pulseq.fleet import LOCAL_HOSTS, Fleet, FrameworkConfig, NodeSpec
from pulseq.models import CapabilityValue
from pulseq.orchestration.api_address import check_api, configured_api
from pulseq.orchestration.api_auth import choose_auth
from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.quiet_settings import NODE_SETTINGS
from pulseq.ownership import default_home
from pulseq.run.run_options import new_run_id
from pulseq.run.state_directory import prepare_home
from pulseq.security.credentials import Credentials, keep_credentials

if TYPE_CHECKING:
    from pulseq.cluster.cluster import Cluster

logger = logging.getLogger("pulseq.nodes")


class LocalBackend:
    """Starts what runs need when it is first needed, and ends all of it.

    Attributes:
        home: the state directory: a temporary one where nothing is to persist.
        api_url, api_auth: of a server of our own; None where an API is configured.
        address, credentials: of the Dask scheduler.
    """

    def __init__(self, config: FrameworkConfig) -> None:
        self.config = config
        self.home = default_home() if config.persist_results else Path(tempfile.gettempdir(), f"pulseq-{new_run_id()}")
        self.api_url: str | None = None
        self.api_auth: str | None = None
        self.address = ""
        self.credentials: Credentials | None = None
        self._nodes: OwnNodes | None = None
        self._credentials_path = Path()
        self._cluster: Cluster | None = None
        self._server: EmbeddedServer | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    @property
    def server(self) -> EmbeddedServer | None:
        """The Prefect server of our own, if there is one."""
        return self._server

    @property
    def cluster(self) -> Cluster:
        """The nodes that are there, as a driver sees them that runs nothing."""
        assert self._cluster is not None
        return self._cluster

    async def add_node(self, spec: NodeSpec, *, patience_seconds: float) -> Mapping[str, CapabilityValue]:
        """Start a node of this machine, or wait for one that joins by itself; what it offers.

        Raises:
            InfrastructureError: it does not start, or does not come in time; nothing else does not start.
        """
        await self.open()
        assert self._nodes is not None
        if spec.host in LOCAL_HOSTS:
            if problem := find_port_problem(spec):
                logger.warning("%s: any free port is used instead", problem.partition(";")[0])
                spec = replace(spec, port=0)
            await self._nodes.add(spec)
        else:
            logger.warning("waiting for node %r to join: %s", spec.id, self._say_joining(spec.id))
        try:
            node = await self.cluster.wait_for(spec.id, patience_seconds)
        except TimeoutError:
            raise InfrastructureError(
                f"node {spec.id!r} on {spec.host!r} has not joined the scheduler at {self.address!r} within "
                f"{patience_seconds:g} s; start it there, or give it host='localhost'"
            ) from None
        return node.capabilities

    def _say_joining(self, node_id: str) -> str:
        """The command by which a node joins here; from another host by way of a tunnel, with a copy of the file."""
        where = f"--scheduler {self.address} --credentials {shlex.quote(str(self._credentials_path))}"
        return f"pulseq node start {where} --id {node_id}"

    async def remove_node(self, node_id: str) -> None:
        """End a node of this machine; one of another machine goes on, and is given nothing more."""
        if self._nodes is not None:
            await self._nodes.remove(node_id)

    async def open(self) -> None:
        """Start the server and the scheduler, once; the server may get ready later (`ready`)."""
        async with self._opening:
            if self._nodes is None:
                try:
                    await self._open()
                except BaseException:
                    await self.close()
                    raise

    async def ready(self) -> None:
        """Until the Prefect API answers.

        Raises:
            InfrastructureError: it does not.
        """
        await self.open()
        if self._server is not None:
            await self._server.ready()

    async def close(self) -> None:
        """End everything; it can be opened again."""
        stack, self._stack = self._stack, AsyncExitStack()
        self._nodes = self._cluster = self._server = None
        await stack.aclose()

    async def _open(self) -> None:
        place = prepare_home(self.home, "sessions", new_run_id())
        temporary = place if self.config.persist_results else self.home
        self._stack.push_async_callback(asyncio.to_thread, shutil.rmtree, temporary, ignore_errors=True)
        api_url = configured_api()
        if api_url is not None:
            await check_api(api_url, logger.warning)
        else:
            self.api_auth = choose_auth()
            self._server = await EmbeddedServer.start(
                state_directory=self.home, run_directory=place, auth=self.api_auth
            )
            self._stack.push_async_callback(self._server.stop)
            api_url = self.api_url = self._server.api_url
        nodes = OwnNodes(
            Fleet((), self.config),
            run_directory=place,
            heartbeat_seconds=self.config.heartbeat_interval,
            node_timeout_seconds=self.config.node_timeout,
            environment=NODE_SETTINGS,
        )
        self._stack.push_async_callback(nodes.stop)
        await nodes.start()
        # Only now, so that processes start while Dask and Prefect are imported here.
        from pulseq.cluster.cluster import Cluster

        self.address = await nodes.join()
        self.credentials = nodes.credentials
        assert self.credentials is not None
        # For a node that joins by itself.
        self._credentials_path = place / "credentials.pem"
        keep_credentials(self._credentials_path, self.credentials)
        self._cluster = cluster = Cluster()
        self._stack.push_async_callback(cluster.close)
        await cluster.connect(self.address, name="pulseq-session", foreign=True, credentials=self.credentials)
        self._nodes = nodes
