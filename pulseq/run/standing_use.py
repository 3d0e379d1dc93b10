"""What `pulseq up` has started, as a run of the command line uses it."""

from __future__ import annotations

from dataclasses import replace

from pulseq.cluster.standing_cluster import (
    StandingCluster,
    choose_cluster,
    find_cluster,
    find_credentials,
    judge,
    same_fleet,
)
from pulseq.errors import UsageError
from pulseq.fleet import Fleet
from pulseq.orchestration.api_address import configured_api
from pulseq.run.run_options import RunOptions
from pulseq.standing.kept_auth import auth_for


def join_standing(
    options: RunOptions, *, own_nodes: bool, beside: Fleet | None
) -> tuple[RunOptions, StandingCluster | None]:
    """Let a run use what `pulseq up` has started in its state directory, if it has and if it fits.

    Args:
        own_nodes: whether the run was told where its tests run; then it shares the Prefect server alone.
        beside: the fleet of the nodes file beside its suite, which stands back for nodes that are there.

    Returns:
        Its options, and the cluster whose nodes it is going to use, or None.
    """
    found = find_cluster(options.home)
    if found is None:
        return options, None
    configured = configured_api()
    choice = judge(found, configured) if own_nodes else choose_cluster(options.home, configured)
    cluster = choice.cluster
    if cluster is None:
        why = () if own_nodes or not choice.note else (choice.note,)
        return replace(options, notes=(*options.notes, *why)), None
    if configured is None and (cluster.ui_url or not own_nodes):
        # Nodes tell the API that they were started with, so their runs have to use that one too.
        options = replace(options, api_url=cluster.api_url)
    options = replace(options, api_auth=auth_for(options.home, configured or options.api_url))
    if own_nodes:
        return options, None
    notes: list[str] = []
    if beside is not None and not same_fleet(beside, cluster.fleet):
        notes.append(f"{beside.source} is not used, since `pulseq up` has other nodes: --nodes would be heeded")
    if cluster.away:
        verb = "is" if len(cluster.away) == 1 else "are"
        told = f"{', '.join(cluster.away)} of `pulseq up` {verb} away"
        notes.append(f"{told}: the run begins without, and uses what comes back; `pulseq status` says why")
    joined = replace(options, scheduler=cluster.scheduler, credentials=find_credentials(options.home), standing=True)
    return replace(joined, notes=(*options.notes, *notes)), cluster


def check_joinable(fleet: Fleet, standing: StandingCluster | None) -> None:
    """Refuse a fleet with nodes that join by themselves where there is nothing that they could have joined.

    Raises:
        UsageError: says what to start.
    """
    nodes = ", ".join(spec.id for spec in fleet.nodes if spec.joins)
    up = f"`pulseq up --listen ADDRESS:PORT --nodes {fleet.source}`"
    if standing is None or not standing.listen:
        what = "nothing is up here" if standing is None else "what is up here lets no other machine in"
        raise UsageError(f"{fleet.source}: {nodes} can join nothing: {what}; {up} starts a fleet")
    theirs = {spec.id for spec in standing.fleet.nodes}
    missing = [spec.id for spec in fleet.nodes if not spec.joins and spec.id not in theirs]
    if missing:
        raise UsageError(f"{fleet.source}: `pulseq up` has not started {', '.join(missing)}; `pulseq down`, then {up}")
