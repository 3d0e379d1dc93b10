"""A task of anybody's flow on its way to a node, and what a process there has to know of the flow run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import cloudpickle  # type: ignore[import-untyped]
from prefect import Task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import RunInput, State
from prefect.context import AssetContext, FlowRunContext, TagsContext, TaskRunContext
from prefect.futures import PrefectFuture
from prefect.settings import get_current_settings
from prefect.states import Crashed, Failed
from prefect.task_engine import run_task_sync
from prefect.utilities.collections import visit_collection
from prefect.utilities.engine import collect_task_run_inputs_sync

from pulseq.errors import InfrastructureError, NoNodeFitsError
from pulseq.models import CapabilityValue
from pulseq.orchestration.requirements import requirements_of
from pulseq.processes.loopback import loopback_settings


@dataclass(frozen=True, slots=True)
class FlowInTasks:
    """What the tasks of one flow run have in common.

    Attributes:
        id: of the flow run, or another that is this flow's alone.
        setup: how a process for its tasks is started: variables, directory, where modules are.
        context: the flow run's, pickled.
    """

    id: str
    setup: bytes
    context: bytes

    @classmethod
    def current(cls) -> FlowInTasks:
        """The flow run that this is called in; outside of one, none."""
        context = FlowRunContext.get()
        serialized: dict[str, Any] = {} if context is None else context.serialize()
        # Its code stays here: what tasks see of it is its name.
        flow = serialized.pop("flow", None)
        name = None if flow is None else flow.name
        flow_run_id = None if context is None or context.flow_run is None else str(context.flow_run.id)
        return cls(flow_run_id or str(uuid4()), _setup(), cloudpickle.dumps((name, serialized)))


def _setup() -> bytes:
    variables = get_current_settings().to_environment_variables(exclude_unset=True, include_secrets=True)
    # Where none is configured, Prefect has started one for this flow.
    url = variables.get("PREFECT_API_URL") or str(get_client(sync_client=True).api_url).removesuffix("/")
    known = {"PREFECT_API_URL": url, "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false", **loopback_settings(url)}
    told = {"environment": {**variables, **known}, "directory": os.getcwd(), "path": [*sys.path]}
    return json.dumps(told).encode()


@dataclass(frozen=True, slots=True)
class SubmittedTask:
    """One call of a task, as it was submitted."""

    task: Task[Any, Any]
    parameters: Mapping[str, Any]
    wait_for: tuple[Any, ...]
    dependencies: Mapping[str, set[RunInput]]
    flow: FlowInTasks
    id: UUID = field(default_factory=uuid4)
    _here: Context = field(default_factory=copy_context)

    @classmethod
    def of(
        cls,
        task: Task[Any, Any],
        parameters: Mapping[str, Any],
        wait_for: Iterable[Any] | None,
        dependencies: Mapping[str, set[RunInput]] | None,
        flow: FlowInTasks,
    ) -> SubmittedTask:
        """A call of a task as Prefect has it submitted.

        Args:
            dependencies: further inputs of its parameters than can be seen in them.
        """
        more = dependencies or {}
        inputs = {name: collect_task_run_inputs_sync(one) | more.get(name, set()) for name, one in parameters.items()}
        return cls(task, parameters, tuple(wait_for or ()), inputs, flow)

    @property
    def requirements(self) -> Mapping[str, CapabilityValue]:
        return requirements_of(self.task)

    @property
    def upstream(self) -> list[PrefectFuture[Any]]:
        """What it waits for: futures among its parameters, and those it was told to."""
        found: list[PrefectFuture[Any]] = []

        def note(one: Any) -> None:
            if isinstance(one, PrefectFuture):
                found.append(one)

        visit_collection([dict(self.parameters), list(self.wait_for)], visit_fn=note, return_data=False)
        return found

    def pack(self) -> bytes:
        """The task as it travels, with the final states of what it has waited for.

        Raises:
            InfrastructureError: something of it cannot travel.
        """
        call = {
            "task": self.task,
            "task_run_id": self.id,
            "parameters": _with_states(dict(self.parameters)),
            "wait_for": _with_states(list(self.wait_for)) or None,
            "dependencies": self.dependencies,
        }
        try:
            packed: bytes = cloudpickle.dumps((self.flow.context, cloudpickle.dumps((self._surroundings(), call))))
            return packed
        except Exception as error:  # whatever a user's object does when it is pickled
            raise InfrastructureError(f"task {self.task.name!r} cannot be sent to a node: {error}") from error

    def _surroundings(self) -> dict[str, Any]:
        """What Prefect's context of this call has beside the flow run."""
        told: dict[str, Any] = {}
        for name, kind in (("tags_context", TagsContext), ("task_run_context", TaskRunContext)):
            if (found := self._here.run(kind.get)) is not None:
                told[name] = found.serialize()
        assets = self._here.run(
            AssetContext.from_task_and_inputs, self.task, self.id, dict(self.dependencies), copy_to_child_ctx=True
        )
        return {**told, "asset_context": assets.serialize()}

    def end_here(self, error: Exception) -> State[Any]:
        """Have the task run end for what kept it from running on a node; its final state, which Prefect knows.

        `Failed` where no node fits, else `Crashed`.
        """
        state = Failed if isinstance(error, NoNodeFitsError) else Crashed

        def tell() -> State[Any]:
            return state(message=str(error), data=error)

        stand_in = Task(tell, name=self.task.name, persist_result=False)
        ended = self._here.copy().run(lambda: run_task_sync(stand_in, task_run_id=self.id, return_type="state"))
        assert isinstance(ended, State)
        return ended


def state_from(answer: bytes) -> State[Any]:
    """The final state that a node has sent home.

    Raises:
        InfrastructureError: the task run could not begin there, or its result cannot be read here.
    """
    try:
        told = cloudpickle.loads(answer)
    except Exception as error:  # whatever a user's object does when it is loaded
        raise InfrastructureError(f"the result of the task cannot be read here: {error}") from error
    if isinstance(told, Exception):
        raise told
    state: State[Any] = told
    return state


def _with_states(given: Any) -> Any:
    def to_state(one: Any) -> Any:
        if isinstance(one, PrefectFuture):
            one.wait()  # it is done; this has it know its state
            return one.state
        return one

    return visit_collection(given, visit_fn=to_state, return_data=True)
