"""Deployments of a prefect.yaml held against the flows and pools that there are, and served from here."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentTriggerTypes
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from pydantic import BaseModel, TypeAdapter, ValidationError

from pulseq.errors import UsageError, nearest
from pulseq.orchestration.prefect_client import open_client
from pulseq.orchestration.serving import serve
from pulseq.suites.documents import Flaw, KeyPath, describe, shorten
from pulseq.suites.prefect_file import Deployment, GivenParameters, Project, is_template


def load_flow(root: Path, entrypoint: str) -> Flow[Any, Any]:
    """The flow at an entrypoint that is relative to `root`.

    Raises:
        UsageError: it does not import; the text says why.
    """
    file, _, function = entrypoint.rpartition(":")
    try:
        return load_flow_from_entrypoint(f"{root / file}:{function}", use_placeholder_flow=False)
    except Exception as error:
        raise UsageError(f"'{shorten(entrypoint)}', which does not import ({_say_why(error, function)})") from error


def _say_why(error: Exception, function: str) -> str:
    cause = getattr(error, "user_exc", None) or error.__cause__ or error
    if isinstance(cause, AttributeError) and f"no attribute {function!r}" in str(cause):
        return f"it has no flow {function!r}"
    words = str(cause).strip().splitlines()
    return f"{type(cause).__name__}{f': {words[0]}' if words else ''}"


def find_flaws(project: Project) -> Iterator[Flaw]:
    """What Prefect would replace by a placeholder, or refuse when a run begins."""
    for deployment in project.deployments:
        if is_template(deployment.entrypoint):
            continue
        try:
            flow = load_flow(project.root, deployment.entrypoint)
        except UsageError as error:
            expected = "a flow that does: Prefect deploys a placeholder in its place"
            yield Flaw((*deployment.path, "entrypoint"), str(error), expected)
            continue
        for given in deployment.parameter_sets():
            yield from _check_given(flow, given.path, given.values)
            yield from _find_missing(flow, given)


def _find_missing(flow: Flow[Any, Any], given: GivenParameters) -> Iterator[Flaw]:
    """What a run that starts by itself would lack; one that people start asks them."""
    for name in (flow.parameters.required or []) if given.starts else []:
        if name not in given.values and name not in given.inherited:
            yield Flaw((*given.path, name), "nothing", f"a value: the flow {flow.name!r} cannot start without one")


def _check_given(flow: Flow[Any, Any], path: KeyPath, parameters: Mapping[str, Any]) -> Iterator[Flaw]:
    hints = typing.get_type_hints(flow.fn, include_extras=True)
    known = list(flow.parameters.properties)
    for name, value in parameters.items():
        if name not in known:
            expected = f"a parameter of the flow {flow.name!r}: {', '.join(known) or 'it has none'}"
            yield Flaw((*path, name), "an unknown parameter", expected, nearest(name, known))
        elif name in hints and not _has_template(value):
            yield from _check_value(hints[name], (*path, name), value)


def _check_value(hint: Any, path: KeyPath, value: Any) -> Iterator[Flaw]:
    try:
        TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        for one in error.errors():
            yield _tell_value((*path, *one["loc"]), one)


def _tell_value(path: KeyPath, error: Mapping[str, Any]) -> Flaw:
    if error["type"] == "extra_forbidden":
        return Flaw(path, "an unknown key", "one that the flow's form has")
    words = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return Flaw(path, describe(error["input"]), _lower_first(words.removeprefix("found ")))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _has_template(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_template(one) for one in value.values())
    return any(map(_has_template, value)) if isinstance(value, list) else is_template(value)


async def find_missing_pools(project: Project) -> list[Flaw]:
    """Work pools that deployments name and the API does not have.

    Raises:
        InfrastructureError: the API does not answer.
    """
    async with open_client() as client:
        known = [pool.name for pool in await client.read_work_pools(limit=200)]
    return [
        Flaw(
            (*one.path, "work_pool", "name"),
            f"'{shorten(one.work_pool)}'",
            f"a work pool that there is ({', '.join(known) or 'there is none'}): "
            f"`prefect work-pool create {one.work_pool} --type process` makes it",
            nearest(one.work_pool, known),
        )
        for one in project.deployments
        if one.work_pool is not None and one.work_pool not in known
    ]


async def serve_deployments(project: Project, deployments: Sequence[Deployment], *, limit: int) -> None:
    """Serve deployments from this process until it is told to stop; each run is a process of its own.

    Raises:
        UsageError: a flow does not import, or a deployment has a work pool, whose workers would take its runs as well.
        InfrastructureError: the API does not answer.
        KeyboardInterrupt: it was told by SIGINT.
    """
    os.chdir(project.root)
    async with open_client() as client:
        for deployment in deployments:
            await _refuse_pooled(client, load_flow(project.root, deployment.entrypoint).name, deployment.name)
    runners = [await _make_runner(project.root, deployment) for deployment in deployments]
    await serve(runners, limit=limit)


async def _refuse_pooled(client: PrefectClient, flow_name: str, name: str) -> None:
    try:
        known = await client.read_deployment_by_name(f"{flow_name}/{name}")
    except ObjectNotFound:
        return
    if known.work_pool_name is not None:
        raise UsageError(
            f"the deployment '{flow_name}/{name}' belongs to the work pool {known.work_pool_name!r}, whose workers "
            f"run it: start one, or `prefect deployment delete {flow_name}/{name}` to serve it from here"
        )


async def _make_runner(root: Path, deployment: Deployment) -> RunnerDeployment:
    # With its source a run is told where to begin.
    flow: Flow[Any, Any] = await Flow.afrom_source(source=str(root), entrypoint=deployment.entrypoint)
    values = deployment.values
    triggers: list[Any] = [
        TypeAdapter(DeploymentTriggerTypes).validate_python(
            {"name": f"{deployment.name}__automation_{number}", **trigger}
        )
        for number, trigger in enumerate(values.get("triggers") or [], start=1)
    ]
    limit = values.get("concurrency_limit")
    return await flow.ato_deployment(
        deployment.name,
        schedules=[make_schedule(one) for one in values.get("schedules") or []],
        parameters=dict(values.get("parameters") or {}),
        triggers=triggers,
        description=values.get("description"),
        tags=list(values.get("tags") or []),
        paused=values.get("paused"),
        concurrency_limit=ConcurrencyLimitConfig(**limit) if isinstance(limit, dict) else limit,
    )


_TIMINGS: Mapping[str, tuple[type[BaseModel], tuple[str, ...]]] = {
    "cron": (CronSchedule, ("cron", "timezone", "day_or")),
    "interval": (IntervalSchedule, ("interval", "timezone", "anchor_date")),
    "rrule": (RRuleSchedule, ("rrule", "timezone")),
}


def make_schedule(entry: Mapping[str, Any]) -> DeploymentScheduleCreate:
    """The schedule that an entry of `schedules` means; a bare interval is in seconds."""
    kind, names = next(_TIMINGS[selector] for selector in _TIMINGS if entry.get(selector) is not None)
    timing: Any = kind.model_validate({name: entry[name] for name in names if entry.get(name) is not None})
    others = {name: entry[name] for name in ("active", "parameters", "slug", "replaces") if entry.get(name) is not None}
    return DeploymentScheduleCreate(schedule=timing, **others)
