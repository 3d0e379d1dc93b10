"""How a run is to be done, as the command line, a flow or a program hands it in."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pulseq.ownership import default_home
from pulseq.security.credentials import Credentials

#: How much a host may keep of projects, where nobody says otherwise.
STORE_BYTES = 10_000_000_000
#: A test whose node was lost under it this often ends `node_lost`, named as the likely killer.
MAX_NODE_LOSSES = 2


def new_run_id() -> str:
    """A run id that sorts by time: `20261122-104400-3fa9c1`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of one run.

    Attributes:
        home: state directory; the run's own files are in `home/runs/<run id>`.
        database: the DuckDB file that results go to.
        scheduler: address of a Dask scheduler whose nodes are to be used; None starts local nodes.
        credentials: of that scheduler's cluster; None where it has none.
        without_missing: whether to go on without nodes whose hosts cannot be used.
        awaited: ids of nodes that join by themselves, and without which the run does not begin.
        standing: whether that scheduler is the one of `pulseq up`, in the same state directory.
        api_url: address of the Prefect server of `pulseq up`; None uses the configured API, or starts a server.
        api_auth: auth string of a Prefect server of ours that others have started.
        with_page: whether people look at the flow run where it is told, also after its end.
        notes: what the run is to say of itself first.
        keyword, markers: pytest's -k and -m.
        max_failures: stop after this many tests that failed or had an error of their own.
        granularity: `test` makes every test a task run, `file` packs whole files, `auto` packs short items.
        isolation: how slots of pytest suites start: `fork`, `interpreter`, or `auto`, which takes forks where they do.
        deadline_seconds: after which the run is stopped with exit code 124.
        ship: whether the project goes to all nodes, or to none; None sends it to those that are not local.
        store_bytes: how much of projects a host may keep between runs, where it has no limit of its own.
        failed_first: ids of tests that go first (`--ff`).
        nodes_environment: variables of nodes of this machine that another process has started.
        only: ids of tests that are known to fail: where one of them is there, all others are left out (`--lf`);
            None means no such choice.
    """

    run_id: str = field(default_factory=new_run_id)
    home: Path = field(default_factory=default_home)
    database: Path | None = None
    scheduler: str | None = None
    credentials: Credentials | None = field(default=None, repr=False)
    without_missing: bool = False
    awaited: tuple[str, ...] = ()
    standing: bool = False
    api_url: str | None = None
    api_auth: str | None = field(default=None, repr=False)
    with_page: bool = True
    notes: tuple[str, ...] = ()
    keyword: str | None = None
    markers: str | None = None
    max_failures: int | None = None
    granularity: str = "auto"
    isolation: str = "auto"
    deadline_seconds: float | None = None
    ship: bool | None = None
    store_bytes: int = STORE_BYTES
    failed_first: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    nodes_environment: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def run_directory(self) -> Path:
        return self.home / "runs" / self.run_id

    @property
    def journal_path(self) -> Path:
        return self.run_directory / "journal.jsonl"

    @property
    def database_path(self) -> Path:
        return self.database or self.home / "results.duckdb"
