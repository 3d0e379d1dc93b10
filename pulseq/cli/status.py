"""`pulseq status`: what `pulseq up` has started, and how it does."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulseq.cli.common_options import Output
from pulseq.cli.node_list import describe_mark, say_moment, say_work
from pulseq.cluster.standing_cluster import (
    Condition,
    PartState,
    StandingCluster,
    find_cluster,
    find_credentials,
    standing_directory,
)
from pulseq.errors import ExitCode, InfrastructureError, UsageError
from pulseq.marks import NodeMark
from pulseq.orchestration.api_auth import CLIENTS_VARIABLE, login_url
from pulseq.ownership import default_home
from pulseq.protocol.clock_offset import say_offset
from pulseq.protocol.node_probe import MEASURES, Answer
from pulseq.reports.wording import say_capabilities, say_clock, say_count
from pulseq.safe_text import safe_line
from pulseq.standing.kept_auth import auth_path, read_auth
from pulseq.standing.standing_nodes import NodeView, ask_nodes_and_marks


def status(
    *,
    output: Output = "text",
    url: bool = False,
    env: bool = False,
) -> int:
    """Tell whether server, scheduler and nodes stand, since when, and what runs there.

    The exit code is 0 when all that `pulseq up` has started do, 1 when one does not, such as a host that is away.
    A node that is drained or cordoned stands; one that is to join by itself need not have come.

    Args:
        output: `json` for one JSON object on standard output.
        url: Print the address of Prefect's pages alone, which lets a browser in: it holds the auth string.
        env: Print the variables, as a shell takes them, with which `prefect` commands and workers speak to the
            server: they hold the auth string.
    """
    if (output == "json") + url + env > 1:
        raise UsageError("expected one of --output json, --url and --env: each is all that is printed")
    home = default_home()
    cluster = find_cluster(home)
    if cluster is None or not cluster.keeper.alive:
        return _tell_of_nothing(cluster, output)
    if url or env:
        print(_say_url(home, cluster) if url else _say_environment(home, cluster))
        return ExitCode.OK
    views, marks = _ask(home, cluster)
    if output == "json":
        described = describe_cluster(cluster, views, marks, str(standing_directory(home) / "logs"))
        print(json.dumps({**described, "prefect_auth_file": str(auth_path(home)) if read_auth(home) else None}))
    else:
        for line in render_cluster(cluster, views, marks, time.time()):
            print(line, file=sys.stderr)
    stands = cluster.condition is Condition.RUNNING and not cluster.away
    return ExitCode.OK if stands else ExitCode.TESTS_FAILED


def _say_url(home: Path, cluster: StandingCluster) -> str:
    if cluster.ui_url is None:  # an API of somebody else's: who may see its pages is theirs to say
        return cluster.api_url.removesuffix("/").removesuffix("/api")
    return login_url(cluster.ui_url, read_auth(home))


def _say_environment(home: Path, cluster: StandingCluster) -> str:
    told = {"PREFECT_API_URL": cluster.api_url, CLIENTS_VARIABLE: read_auth(home)}
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in told.items() if value is not None)


def _tell_of_nothing(cluster: StandingCluster | None, output: str) -> int:
    why = "nothing runs" if cluster is None else "what `pulseq up` had started has died"
    if output == "json":
        print(json.dumps({"running": False, "why": why}))
    else:
        print(f"{why}; `pulseq up` starts it", file=sys.stderr)
    return ExitCode.TESTS_FAILED


def _ask(home: Path, cluster: StandingCluster) -> tuple[dict[str, NodeView], dict[str, NodeMark]]:
    if not cluster.scheduler:
        return {}, {}
    try:
        return asyncio.run(ask_nodes_and_marks(cluster.scheduler, find_credentials(home)))
    except InfrastructureError:
        # It is being started again, as its line says.
        return {}, {}


def describe_cluster(
    cluster: StandingCluster, views: Mapping[str, NodeView], marks: Mapping[str, NodeMark], logs: str
) -> dict[str, Any]:
    """The object of `--output json`."""
    return {
        "running": cluster.condition is Condition.RUNNING,
        "condition": cluster.condition.value,
        "since": say_moment(cluster.since),
        "pid": cluster.keeper.pid,
        "prefect_api": cluster.api_url,
        "prefect_ui": cluster.ui_url,
        "scheduler": cluster.scheduler,
        "listen": cluster.listen or None,
        "version": cluster.version,
        "python": cluster.python,
        "nodes_file": cluster.fleet.source,
        "logs": logs,
        "parts": [_describe_part(part) for part in cluster.parts],
        "away": list(cluster.away),
        "nodes": {node_id: describe_view(view) for node_id, view in views.items()},
        "marks": {node_id: describe_mark(mark) for node_id, mark in marks.items()},
    }


def _describe_part(part: PartState) -> dict[str, Any]:
    return {
        "name": part.name,
        "condition": part.condition.value,
        "pid": part.process.pid if part.process else None,
        "since": say_moment(part.since),
        "deaths": part.deaths,
        "why": part.why,
    }


def describe_view(view: NodeView) -> dict[str, Any]:
    """A node, for programs."""
    return {
        "slots": view.slots,
        "capabilities": dict(view.capabilities),
        "runs": list(view.runs),
        "dispatches": view.dispatches,
        "running": view.running,
        "waiting": view.waiting,
        "last_heartbeat": say_moment(view.last_seen),
        **view.labels,
        "health": _describe_answer(view.answer),
    }


def _describe_answer(answer: Answer | None) -> dict[str, Any] | None:
    """What a node has answered; None where it has not."""
    if answer is None:
        return None
    measures = {name: getattr(answer, name) for name in MEASURES if name != "running"}
    clock = {"clock_offset": answer.clock.offset, "clock_uncertainty": answer.clock.uncertainty} if answer.clock else {}
    return {"latency": answer.latency, **measures, **clock}


def render_cluster(
    cluster: StandingCluster, views: Mapping[str, NodeView], marks: Mapping[str, NodeMark], now: float
) -> list[str]:
    """What people read: one line for all, then one for each part, and for each node that has joined by itself."""
    away = cluster.away if cluster.condition is Condition.RUNNING else ()
    without = f" without {', '.join(map(safe_line, away))}" if away else ""
    since = say_clock(now - cluster.since)
    lines = [f"{cluster.condition}{without} for {since}: Prefect {cluster.ui_url or cluster.api_url}"]
    if cluster.listen:
        lines.append(f"  members of the site reach it at tls://{safe_line(cluster.listen)}")
    told = {part.name: _say_part(part, views.get(part.name), now) for part in cluster.parts}
    told |= {node_id: ["joined", *say_view(view, now)] for node_id, view in views.items() if node_id not in told}
    told |= {spec.id: ["not joined"] for spec in cluster.fleet.nodes if spec.joins and spec.id not in told}
    for node_id, mark in marks.items():
        view = views.get(node_id)
        idle = view is not None and not view.dispatches
        told.setdefault(node_id, ["not there"]).append(safe_line(mark.say(drained=idle), 1000))
    width = max((len(name) for name in told), default=0)
    return [*lines, *(f"  {safe_line(name):{width}}  {'; '.join(words)}" for name, words in told.items())]


def _say_part(part: PartState, view: NodeView | None, now: float) -> list[str]:
    words = [f"{part.condition} for {say_clock(now - part.since)}"]
    if view is not None and part.condition is Condition.RUNNING:
        words += say_view(view, now)
    if part.deaths:
        words.append(f"died {say_count(part.deaths, 'time')}, last: {safe_line(part.why or '')}")
    return words


def say_view(view: NodeView, now: float) -> list[str]:
    """A node, for people."""
    place = [f"on {safe_line(view.labels['host'])}"] if view.labels.get("way", "local") != "local" else []
    heard = f"heard of {say_clock(now - view.last_seen)} ago"
    return [say_work(view, view.runs), say_capabilities(view.capabilities), *place, heard, *_say_answer(view.answer)]


def _say_answer(answer: Answer | None) -> list[str]:
    """What somebody should know of a node, or do there."""
    if answer is None:
        return ["it does not answer"]
    words = [f"its clock is {say_offset(answer.clock)}"] if answer.clock is not None and answer.clock.shift else []
    if answer.stray_processes:
        words.append(f"{say_count(answer.stray_processes, 'process')} left behind by bodies and alive")
    return words
