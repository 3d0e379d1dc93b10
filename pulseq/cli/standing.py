"""What `pulseq up` has started, as a run of the command line uses it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pulseq.distributed.run_options import RunOptions
from pulseq.engine.api_address import configured_api
from pulseq.engine.standing import choose_cluster, find_cluster, judge
from pulseq.models import Fleet


def join_standing(options: RunOptions, *, own_nodes: bool, beside: Path | None) -> tuple[RunOptions, Fleet | None]:
    """Let a run use what `pulseq up` has started in its state directory, if it has and if it fits.

    Args:
        own_nodes: whether the run was told where its tests run; then it shares the Prefect server alone.
        beside: the nodes file beside its suite, which stands back for nodes that are there.

    Returns:
        Its options, and the fleet that it is going to use, or None for one of its own.
    """
    found = find_cluster(options.home)
    if found is None:
        return options, None
    choice = judge(found, configured_api()) if own_nodes else choose_cluster(options.home, configured_api())
    cluster = choice.cluster
    if cluster is None:
        return (options if own_nodes or not choice.note else replace(options, notes=(choice.note,))), None
    options = replace(options, api_url=cluster.api_url if cluster.ui_url else None)
    if own_nodes:
        return options, None
    nodes = len(cluster.fleet.nodes)
    note = f"on the {nodes} node{'' if nodes == 1 else 's'} of `pulseq up`, scheduler {cluster.scheduler}"
    if beside is not None:
        note += f"; {beside} is not used: --nodes would be heeded"
    return replace(options, scheduler=cluster.scheduler, standing=True, notes=(note,)), cluster.fleet
