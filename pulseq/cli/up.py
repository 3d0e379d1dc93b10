"""`pulseq up`: server, scheduler and nodes that stay between runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pulseq.cli.common_options import NodeCount
from pulseq.cluster.own_nodes import check_fleet
from pulseq.cluster.standing_cluster import Condition, StandingCluster, find_cluster, same_fleet, wait_until_settled
from pulseq.errors import InfrastructureError, UsageError
from pulseq.fleet import Fleet
from pulseq.orchestration.api_address import check_api, configured_api
from pulseq.ownership import default_home
from pulseq.processes.node_forks import START_PATIENCE_SECONDS
from pulseq.reports.wording import say_capabilities, say_count
from pulseq.run.fleet_choice import choose_fleet
from pulseq.run.state_directory import prepare_home, require_space
from pulseq.safe_text import safe_line
from pulseq.standing.kept_auth import read_auth
from pulseq.standing.listening import credentials_to_listen, read_listen
from pulseq.standing.standing_control import end_cluster, start_cluster
from pulseq.standing.standing_nodes import wait_for_joining
from pulseq.suites.default_suite import complete_arguments


def up(
    *,
    count: NodeCount = None,
    nodes: Path | None = None,
    listen: str | None = None,
    credentials: Path | None = None,
    no_auth: bool = False,
) -> int:
    """Start a Prefect server, a Dask scheduler and nodes that stay, for `pulseq run` to use.

    Args:
        count: Local nodes with one slot each: a number, or `auto` for one a processor.
        nodes: Nodes file; by default that of the directory's `pulseq.yaml`, else one node a processor.
        listen: ADDRESS:PORT at which machines of the site reach the scheduler: nodes join there (`pulseq node start`),
            and runs use it from elsewhere. Whoever has no credentials of the site is refused.
        credentials: With --listen: the scheduler's own file, where the site's authority (`pulseq certs init`) is not in
            the state directory.
        no_auth: Have the server ask nobody for an auth string: every account of this machine can then use it, and
            run commands as you while `pulseq serve` or a worker is there.
    """
    if credentials is not None and listen is None:
        raise UsageError("found --credentials alone, expected --listen ADDRESS:PORT with it")
    home = default_home()
    suite = () if count or nodes else complete_arguments([])
    only_joined = count == "0" and listen is not None and nodes is None
    fleet = Fleet(()) if only_joined else choose_fleet(suite, nodes_file=nodes, count=count, scheduler=None)
    wanted = fleet if count or nodes else None
    cluster = find_cluster(home)
    if cluster is not None and cluster.keeper.alive:
        return _tell_that_it_runs(home, cluster, wanted, listen, no_auth=no_auth)
    check_fleet(fleet)
    if cluster is not None:
        _tell("what `pulseq up` had started has died; it is started anew")
        end_cluster(home)  # what is left of it has the port
    shown = credentials_to_listen(home, credentials) if listen is not None else None
    place = read_listen(listen) if listen is not None else ""
    api_url = configured_api()
    if api_url is not None:
        asyncio.run(check_api(api_url))
    require_space(home)
    prepare_home(home)
    _tell(f"starting {'' if api_url else 'a Prefect server, '}a Dask scheduler and {_count(fleet)}")
    started = start_cluster(
        home,
        fleet,
        api_url,
        lambda part: _tell(f"{safe_line(part)} is ready"),
        on_note=lambda text: _tell(safe_line(text)),
        run_host="pulseq.cli.run_host",
        with_auth=not no_auth,
        listen=place,
        credentials=shown,
    )
    cluster = find_cluster(home)
    if cluster is None:
        raise InfrastructureError("what `pulseq up` has started has been ended by another; try again")
    if not started:
        return _tell_that_it_runs(home, cluster, wanted, listen, no_auth=no_auth)
    wait_for_joining(home, cluster, _tell)
    _describe(home, cluster, for_all=no_auth)
    return 0


def _tell_that_it_runs(
    home: Path, cluster: StandingCluster, wanted: Fleet | None, listen: str | None, *, no_auth: bool
) -> int:
    cluster = wait_until_settled(home, cluster, START_PATIENCE_SECONDS)
    if wanted is not None and not same_fleet(wanted, cluster.fleet):
        raise UsageError(
            f"another fleet runs already: {_count(cluster.fleet)}{_source(cluster.fleet)}, asked for "
            f"{_count(wanted)}{_source(wanted)}; `pulseq down` ends it"
        )
    if listen is not None and listen != cluster.listen:
        where = f"listens at {cluster.listen}" if cluster.listen else "lets no other machine in"
        raise UsageError(f"what runs already {where}, asked for --listen {listen}; `pulseq down` ends it")
    if no_auth and read_auth(home) is not None:
        raise UsageError("its server asks for an auth string, asked for --no-auth; `pulseq down` ends it")
    if cluster.condition is not Condition.RUNNING:
        raise InfrastructureError(
            f"what `pulseq up` has started is not ready ({cluster.condition}); "
            "`pulseq status` says more, `pulseq down` ends it"
        )
    _tell("it runs already")
    _describe(home, cluster, for_all=read_auth(home) is None)
    return 0


def _describe(home: Path, cluster: StandingCluster, *, for_all: bool) -> None:
    _tell(f"Prefect: {cluster.ui_url or cluster.api_url}")
    if cluster.ui_url is not None and for_all:
        _tell("it asks nobody for an auth string: every account of this machine can use it")
    elif read_auth(home) is not None:
        _tell("`pulseq status --url` lets a browser in, `pulseq status --env` commands of Prefect's")
    for node in cluster.fleet.nodes:
        offers = filter(None, (say_count(node.max_concurrent_tests, "slot"), say_capabilities(node.capabilities)))
        _tell(f"node {safe_line(node.id)}: {', '.join(offers)}")
    if cluster.listen:
        _tell(f"members of the site reach it at tls://{cluster.listen}: `pulseq node start`, `pulseq run --scheduler`")
    _tell("`pulseq run` uses it; `pulseq down` ends it")


def _count(fleet: Fleet) -> str:
    return f"{say_count(len(fleet.nodes), 'node')} with {say_count(fleet.slots, 'slot')}"


def _source(fleet: Fleet) -> str:
    return f" ({fleet.source})" if fleet.source else ""


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
