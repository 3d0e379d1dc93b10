"""A prefect.yaml as it is written: its deployments, and what Prefect would ignore of it without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pulseq.errors import UsageError, hint_at_nearest, nearest
from pulseq.suites.documents import Document, Flaw, Flawed, KeyPath, describe, find_repeated, shorten
from pulseq.suites.reading import read_document
from pulseq.suites.schema import Expected, Keys, ReadBy, read, read_whole
from pulseq.suites.values import Flag, MapKey, Text, Written, read_text

PROJECT_FILE = "prefect.yaml"
_SELECTORS = ("cron", "interval", "rrule")
#: Prefect puts the variable's value in its place when it deploys.
_SHELLS_DIRECTORY = re.compile(r"\{\{\s*\$PWD\s*\}\}")
_STRATEGIES = ("ENQUEUE", "CANCEL_NEW")


@dataclass(frozen=True, slots=True)
class GivenParameters:
    """Parameters as a deployment, a schedule or a trigger gives them.

    Attributes:
        inherited: those of the deployment, which stand where a schedule or trigger says nothing.
        starts: whether runs start with them by themselves.
    """

    path: KeyPath
    values: Mapping[str, Any]
    inherited: Mapping[str, Any] = field(default_factory=dict)
    starts: bool = False


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as it is written; values that are templates are as they stand.

    Attributes:
        path: where it stands in the file.
        entrypoint: `flows/run_suite.py:run_suite`, relative to the file.
    """

    path: KeyPath
    name: str
    entrypoint: str
    values: Mapping[str, Any]

    @property
    def work_pool(self) -> str | None:
        """The name of its work pool, where it says one that is no template."""
        name = (self.values.get("work_pool") or {}).get("name")
        return name if isinstance(name, str) and not is_template(name) else None

    def parameter_sets(self) -> Iterator[GivenParameters]:
        """The deployment's own parameters, then those of its schedules and triggers."""
        own = self.values.get("parameters") or {}
        yield GivenParameters((*self.path, "parameters"), own)
        for kind in ("schedules", "triggers"):
            for index, entry in enumerate(self.values.get(kind) or []):
                path = (*self.path, kind, index, "parameters")
                yield GivenParameters(path, entry.get("parameters") or {}, own, starts=True)


@dataclass(frozen=True, slots=True)
class Project:
    """A prefect.yaml that has been read."""

    document: Document
    root: Path
    deployments: tuple[Deployment, ...]

    def choose(self, names: Sequence[str]) -> tuple[Deployment, ...]:
        """The deployments of these names; all of them where none is named.

        Raises:
            UsageError: there is none of a name.
        """
        known = {deployment.name: deployment for deployment in self.deployments}
        for name in names:
            if name not in known:
                expected = f"one of {', '.join(known)}{hint_at_nearest(name, known)}"
                raise UsageError(f"found deployment {name!r}, expected {expected}")
        return tuple(known[name] for name in dict.fromkeys(names)) if names else self.deployments


def is_template(value: object) -> bool:
    """Whether Prefect puts something else in a value's place when it deploys."""
    return isinstance(value, str) and "{{" in value


def read_project(path: Path) -> Project:
    """Read a prefect.yaml.

    Raises:
        UsageError: there is no such file.
        ConfigurationError: it holds what Prefect would ignore or refuse; all of it is told.
    """
    document = read_document(path, needs="deployments")
    values = read_whole(document, ProjectKeys, list(_find_repeated_names(document)))
    deployments = tuple(
        Deployment(("deployments", index), one["name"], one["entrypoint"], one)
        for index, one in enumerate(values["deployments"])
    )
    return Project(document, path.absolute().parent, deployments)


def _find_repeated_names(document: Document) -> Iterator[Flaw]:
    names = [(entry.get("entrypoint"), entry.get("name")) for entry in document.entries("deployments")]
    written = (name if all(isinstance(one, str) and one.strip() for one in name) else None for name in names)
    for index, _ in find_repeated(written):
        expected = "a name that no other deployment of the flow has"
        yield Flaw(("deployments", index, "name"), f"'{shorten(str(names[index][1]))}' again", expected)


def _or_template(kind: Any) -> Any:
    """A kind, or a template in its place."""
    return ReadBy(lambda value: value if is_template(value) else read(kind, value))


def _read_mapping(value: Any) -> Any:
    return read(_Mapping, {} if value is None else value)


def _read_entrypoint(value: Any) -> str:
    entrypoint = read_text(value)
    if not is_template(entrypoint) and not entrypoint.partition(":")[2]:
        raise Flawed.at(describe(value), "a file and a flow in it, as 'flows/run_suite.py:run_suite'")
    return entrypoint


def _read_strategy(value: Any) -> str:
    if value not in _STRATEGIES:
        meant = nearest(str(value).upper(), _STRATEGIES)
        raise Flawed.at(describe(value), f"one of {', '.join(_STRATEGIES)}", suggestion=meant)
    return str(value)


def _read_limit(value: Any) -> Any:
    return None if value is None else read(LimitKeys if isinstance(value, Mapping) else _Count, value)


def _read_schedule(value: Any) -> Any:
    values = read(ScheduleKeys, value)
    found = [selector for selector in _SELECTORS if values.get(selector) is not None]
    if len(found) != 1:
        raise Flawed.at(" and ".join(found) or f"none of {', '.join(_SELECTORS)}", "exactly one of them")
    return values


def _read_trigger(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise Flawed.at(describe(value), "a mapping")
    kind = value.get("type", "event")
    if kind not in _TRIGGERS:
        meant = nearest(str(kind), _TRIGGERS)
        raise Flawed.at(describe(kind), f"one of {', '.join(_TRIGGERS)}", "type", suggestion=meant)
    return read(_TRIGGERS[kind], value)


def _read_steps(value: Any) -> Any:
    entries = [value] if isinstance(value, Mapping) else value
    return None if entries is None else read(_Steps, entries)


def _read_step(value: Any) -> Any:
    for name, inputs in _read_mapping(value).items():
        for key, given in inputs.items() if isinstance(inputs, Mapping) else ():
            if isinstance(given, str) and _SHELLS_DIRECTORY.search(given):
                expected = (
                    "a directory, or no pull step: Prefect takes the one that it deploys from, a shell's may differ"
                )
                raise Flawed.at(describe(given), expected, name, key)
    return value


_Mapping = Annotated[dict[MapKey, Any], Expected("a mapping")]
_Count = Annotated[int, Expected("a whole number above 0", gt=0)]
_Steps = Annotated[tuple[Annotated[Any, ReadBy(_read_step)], ...], Expected("a list of steps")]
_Tags = Annotated[tuple[Text, ...], Expected("a list of tags")]
Parameters: TypeAlias = Annotated[dict[str, Any], ReadBy(_read_mapping)]
Steps: TypeAlias = Annotated[Any, ReadBy(_read_steps)]
TemplateOrFlag: TypeAlias = Annotated[Any, _or_template(Flag)]
TemplateOrCount: TypeAlias = Annotated[Any, _or_template(_Count)]


class LimitKeys(Keys, thing="a concurrency limit", needs=("limit",)):
    limit: TemplateOrCount
    collision_strategy: Annotated[Any, _or_template(Annotated[str, ReadBy(_read_strategy)])]
    grace_period_seconds: TemplateOrCount


class ScheduleKeys(Keys, thing="a schedule", free=("timezone", "anchor_date", "slug", "replaces")):
    cron: Any
    interval: Any
    rrule: Any
    active: TemplateOrFlag
    day_or: TemplateOrFlag
    parameters: Parameters


_TRIGGER = ("type", "name", "description", "enabled", "parameters", "job_variables", "schedule_after")
_EVENTS = ("match", "match_related", "posture")
#: The keys of each type of trigger.
_TRIGGERS: Mapping[str, Any] = {
    kind: type(kind, (Keys,), {}, thing=f"a trigger of type {kind}", free=(*_TRIGGER, *keys))
    for kind, keys in {
        "event": (*_EVENTS, "after", "expect", "for_each", "threshold", "within"),
        "metric": (*_EVENTS, "metric"),
        "compound": ("triggers", "within", "require"),
        "sequence": ("triggers", "within"),
    }.items()
}


class WorkPoolKeys(Keys, thing="a work pool"):
    name: Text
    work_queue_name: Text
    job_variables: Parameters


class DeploymentKeys(Keys, thing="a deployment", needs=("name", "entrypoint"), free=("schedule", "sla")):
    name: Text
    entrypoint: Annotated[str, ReadBy(_read_entrypoint)]
    description: Text
    version: Written
    version_type: Text
    flow_name: Text
    tags: Annotated[Any, _or_template(_Tags)]
    parameters: Parameters
    enforce_parameter_schema: TemplateOrFlag
    schedules: Annotated[tuple[Annotated[Any, ReadBy(_read_schedule)], ...], Expected("a list of schedules")]
    paused: TemplateOrFlag
    concurrency_limit: Annotated[Any, _or_template(Annotated[Any, ReadBy(_read_limit)])]
    work_pool: WorkPoolKeys
    triggers: Annotated[tuple[Annotated[Any, ReadBy(_read_trigger)], ...], Expected("a list of triggers")]
    build: Steps
    push: Steps
    pull: Steps


class ProjectKeys(Keys, thing="a prefect.yaml", needs=("deployments",), free=("prefect-version", "definitions")):
    name: Text
    deployments: Annotated[tuple[DeploymentKeys, ...], Expected("a list of deployments")]
    build: Steps
    push: Steps
    pull: Steps
