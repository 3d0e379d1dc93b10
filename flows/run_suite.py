"""The flow that runs a suite: from the form of a deployment to the run."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pulseq.fleet import Strategy
from pulseq.orchestration.run_names import given_name
from pulseq.run.run_in_flow import run_in_flow
from pulseq.run.run_request import RunRequest
from pulseq.suites.schedulers_file import AUTOMATIC, load_schedulers

DEPLOYMENTS = Path(__file__).resolve().parent.parent / "deployments"
#: What stands in the folders now: the form offers what was there when the flow was deployed.
SUITES = {path.stem: path for path in sorted((DEPLOYMENTS / "suites").glob("*.*")) if path.suffix in (".yaml", ".toml")}
NODES = {path.stem: path for path in sorted((DEPLOYMENTS / "nodes").glob("*.*")) if path.suffix in (".yaml", ".toml")}
SCHEDULERS = load_schedulers(DEPLOYMENTS / "schedulers.yaml")
_OUR_NAME = re.compile(r".+, \d{1,2} \S+ \d\d:\d\d:\d\d")


def _known_suite(name: str) -> str:
    if name not in SUITES:
        raise ValueError(f"found no suite {name!r}, expected one of {', '.join(SUITES)}: add its file or deploy anew")
    return name


def _known_nodes(name: str) -> str:
    if name != AUTOMATIC and name not in NODES:
        raise ValueError(f"found no nodes {name!r}, expected {AUTOMATIC} or one of {', '.join(NODES)}")
    return name


SuiteName = Annotated[str, AfterValidator(_known_suite), Field(json_schema_extra={"enum": [*SUITES]})]
NodesName = Annotated[str, AfterValidator(_known_nodes), Field(json_schema_extra={"enum": [AUTOMATIC, *NODES]})]
SchedulerName = Annotated[str, AfterValidator(SCHEDULERS.check), Field(json_schema_extra={"enum": [*SCHEDULERS.names]})]


class Group(BaseModel):
    """A part of the form; a field that it does not have is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Selection(Group):
    """Which of the suite's tests are run."""

    keyword: str = Field(
        default="", title="Name contains", description="Words joined by and, or, not: `cart and not slow`."
    )
    labels: list[str] = Field(
        default=[], description="Only tests with one of these labels or pytest marks; none means all."
    )
    earlier: Literal["all", "last failed", "failed first"] = Field(
        default="all",
        title="After an earlier run",
        description="Only, or first, what did not pass in this suite's last run.",
    )


class Place(Group):
    """Where tests run."""

    nodes: NodesName = Field(
        default=AUTOMATIC,
        description="A file of nodes; automatic takes nodes that stand, else those of the suite's name.",
    )
    local_nodes: int = Field(
        default=0, ge=0, le=64, description="So many nodes of one slot on the worker's machine; 0: as above."
    )
    scheduler: SchedulerName = Field(
        default=AUTOMATIC,
        description="A Dask scheduler that `deployments/schedulers.yaml` allows; automatic: as above.",
    )
    strategy: Literal["as the nodes say", "adaptive", "least_loaded", "longest_first", "round_robin"] = Field(
        default="as the nodes say", description="How a test finds its node among those that fit."
    )
    project: Literal["sent to other hosts", "sent to all nodes", "not sent"] = Field(
        default="sent to other hosts",
        description="How nodes get the code under test; not sent: all have it at the same path.",
    )


class Limits(Group):
    """How far a run goes."""

    retries: int = Field(default=0, ge=0, le=10, description="Further attempts for tests that do not say how many.")
    test_timeout: float = Field(
        default=0, ge=0, le=86_400, description="Seconds for tests that have no timeout; 0: none."
    )
    run_deadline: float = Field(
        default=0, ge=0, le=604_800, description="Seconds after which the run is stopped; 0: none."
    )
    stop_after_failures: int = Field(
        default=0, ge=0, le=100_000, description="Stop after so many failed tests; 0: go on."
    )
    granularity: Literal["auto", "file", "test"] = Field(
        default="auto", description="What is a task run: packs of short pytest items, their files, or each test."
    )
    isolation: Literal["auto", "fork", "interpreter"] = Field(
        default="auto", description="How slots of pytest suites start: as forks, or each as an interpreter of its own."
    )


class RunForm(Group):
    """All that can be said about a run."""

    what: Selection = Field(default=Selection(), title="Which tests")
    where: Place = Field(default=Place(), title="Where they run")
    limits: Limits = Field(default=Limits(), title="Limits")


def name_run() -> str:
    """The name that somebody has given the run; else `quickstart, 22 Nov 14:05:09`, in the worker's local time.

    A run that is repeated under its old name gets the new time.
    """
    given = given_name()
    if given is not None and not _OUR_NAME.fullmatch(given):
        return given
    return f"{flow_run.parameters.get('suite', 'suite')}, {datetime.now():%-d %b %H:%M:%S}"


def make_request(suite: str, form: RunForm) -> RunRequest:
    """The run that the form asks for."""
    what, where, limits = form.what, form.where, form.limits
    known = [strategy for strategy in Strategy if strategy.value == where.strategy]
    return RunRequest(
        suites=(str(SUITES[suite]),),
        keyword=what.keyword.strip() or None,
        markers=" or ".join(what.labels) or None,
        last_failed=what.earlier == "last failed",
        failed_first=what.earlier == "failed first",
        nodes_file=NODES.get(where.nodes),
        nodes_count=str(where.local_nodes) if where.local_nodes else None,
        scheduler=SCHEDULERS.address_of(where.scheduler),
        strategy=known[0] if known else None,
        ship={"sent to all nodes": True, "not sent": False}.get(where.project),
        timeout_seconds=limits.test_timeout or None,
        reruns=limits.retries or None,
        max_failures=limits.stop_after_failures or None,
        deadline_seconds=limits.run_deadline or None,
        granularity=limits.granularity,
        isolation=limits.isolation,
    )


@flow(name="run-suite", flow_run_name=name_run, log_prints=False, persist_result=False)
async def run_suite(suite: SuiteName, options: RunForm = RunForm()) -> State[Any]:  # noqa: B008 - the form's defaults
    """Run a suite of tests on nodes that fit them; every verdict is a row in DuckDB.

    Args:
        suite: The suite, a file in `deployments/suites`.
        options: Which of its tests, where, and how far.
    """
    state: State[Any] = await run_in_flow(make_request(suite, options))
    return state
