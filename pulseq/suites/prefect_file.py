"""A prefect.yaml as it is written: its deployments, and what Prefect would ignore of it without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulseq.errors import UsageError, nearest
from pulseq.suites.documents import Document, Flaw, Flawed, KeyPath, describe
from pulseq.suites.readers import Reader, list_of, mapping_of, read_flag, read_keys, read_text, read_written
from pulseq.suites.reading import read_document

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
                meant = nearest(name, list(known))
                hint = f"; did you mean {meant!r}?" if meant else ""
                raise UsageError(f"found deployment {name!r}, expected one of {', '.join(known)}{hint}")
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
    top = read_keys(document.value, _TOP, required=["deployments"], thing="a prefect.yaml")
    flaws = [*document.flaws, *top.flaws]
    deployments: list[Deployment] = []
    for index, entry in enumerate(document.value.get("deployments") or []):
        reading = read_keys(entry, _DEPLOYMENT, required=["name", "entrypoint"], thing="a deployment")
        flaws += [flaw.below("deployments", index) for flaw in reading.flaws]
        if not reading.flaws:
            values = reading.values
            deployments.append(Deployment(("deployments", index), values["name"], values["entrypoint"], values))
    flaws += _find_repeated(deployments)
    if flaws:
        raise document.refuse(flaws)
    return Project(document, path.absolute().parent, tuple(deployments))


def _find_repeated(deployments: Sequence[Deployment]) -> Iterator[Flaw]:
    known: set[tuple[str, str]] = set()
    for one in deployments:
        if (one.entrypoint, one.name) in known:
            yield Flaw((*one.path, "name"), f"'{one.name}' again", "a name that no other deployment of the flow has")
        known.add((one.entrypoint, one.name))


def _take(value: Any) -> Any:
    return value


def _mapping(value: Any) -> dict[str, Any]:
    return mapping_of(_take, "a mapping")({} if value is None else value)


def _read_entrypoint(value: Any) -> str:
    entrypoint = read_text(value)
    if not is_template(entrypoint) and not entrypoint.partition(":")[2]:
        raise Flawed.at(describe(value), "a file and a flow in it, as 'flows/run_suite.py:run_suite'")
    return entrypoint


def _read_strategy(value: Any) -> str:
    if value not in _STRATEGIES and not is_template(value):
        meant = nearest(str(value).upper(), _STRATEGIES)
        raise Flawed.at(describe(value), f"one of {', '.join(_STRATEGIES)}", suggestion=meant)
    return str(value)


def _read_limit(value: Any) -> Any:
    if isinstance(value, Mapping):
        return read_keys(value, _LIMIT, required=["limit"], thing="a concurrency limit").finish()
    return value if value is None or is_template(value) else _read_count(value)


def _read_count(value: Any) -> Any:
    if is_template(value) or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise Flawed.at(describe(value), "a whole number above 0")


def _read_flag(value: Any) -> Any:
    return value if is_template(value) else read_flag(value)


def _read_schedule(value: Any) -> dict[str, Any]:
    values = read_keys(value, _SCHEDULE, thing="a schedule").finish()
    found = [selector for selector in _SELECTORS if values.get(selector) is not None]
    if len(found) != 1:
        raise Flawed.at(" and ".join(found) or f"none of {', '.join(_SELECTORS)}", "exactly one of them")
    return values


def _read_trigger(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Flawed.at(describe(value), "a mapping")
    kind = value.get("type", "event")
    if kind not in _TRIGGERS:
        meant = nearest(str(kind), list(_TRIGGERS))
        raise Flawed.at(describe(kind), f"one of {', '.join(_TRIGGERS)}", "type", suggestion=meant)
    return read_keys(value, dict.fromkeys(_TRIGGERS[kind], _take), thing=f"a trigger of type {kind}").finish()


def _read_steps(value: Any) -> Any:
    entries = [value] if isinstance(value, Mapping) else value
    if entries is None:
        return None
    return list_of(_read_step, "a list of steps")(entries)


def _read_step(value: Any) -> Any:
    for name, inputs in _mapping(value).items():
        for key, given in inputs.items() if isinstance(inputs, Mapping) else ():
            if isinstance(given, str) and _SHELLS_DIRECTORY.search(given):
                expected = (
                    "a directory, or no pull step: Prefect takes the one that it deploys from, a shell's may differ"
                )
                raise Flawed.at(describe(given), expected, name, key)
    return value


_TRIGGER = ("type", "name", "description", "enabled", "parameters", "job_variables", "schedule_after")
_TRIGGERS: Mapping[str, tuple[str, ...]] = {
    "event": (
        *_TRIGGER,
        *("match", "match_related", "after", "expect", "for_each", "posture", "threshold", "within"),
    ),
    "metric": (*_TRIGGER, "match", "match_related", "posture", "metric"),
    "compound": (*_TRIGGER, "triggers", "within", "require"),
    "sequence": (*_TRIGGER, "triggers", "within"),
}
_LIMIT: Mapping[str, Reader[Any]] = {
    "limit": _read_count,
    "collision_strategy": _read_strategy,
    "grace_period_seconds": _read_count,
}
_SCHEDULE: Mapping[str, Reader[Any]] = {
    **dict.fromkeys((*_SELECTORS, "timezone", "anchor_date", "slug", "replaces"), _take),
    "active": _read_flag,
    "day_or": _read_flag,
    "parameters": _mapping,
}
_POOL: Mapping[str, Reader[Any]] = {"name": read_text, "work_queue_name": read_text, "job_variables": _mapping}
_STEPS: Mapping[str, Reader[Any]] = dict.fromkeys(("build", "push", "pull"), _read_steps)
_DEPLOYMENT: Mapping[str, Reader[Any]] = {
    "name": read_text,
    "entrypoint": _read_entrypoint,
    "description": read_text,
    "version": read_written,
    "version_type": read_text,
    "flow_name": read_text,
    "tags": lambda value: value if is_template(value) else list_of(read_text, "a list of tags")(value),
    "parameters": _mapping,
    "enforce_parameter_schema": _read_flag,
    "schedule": _take,
    "schedules": lambda value: list_of(_read_schedule, "a list of schedules")(value),
    "paused": _read_flag,
    "concurrency_limit": _read_limit,
    "work_pool": lambda value: read_keys(value, _POOL, thing="a work pool").finish(),
    "triggers": lambda value: list_of(_read_trigger, "a list of triggers")(value),
    "sla": _take,
    **_STEPS,
}
_TOP: Mapping[str, Reader[Any]] = {
    "name": read_text,
    "prefect-version": _take,
    "definitions": _take,
    "deployments": list_of(_take, "a list of deployments"),
    **_STEPS,
}
