"""A run of a suite as one Prefect flow run: the one it is called in, or one that it makes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    PREFECT_UI_URL,
    temporary_settings,
)
from prefect.states import Cancelled, Completed, Failed

from pulseq.errors import ExitCode
from pulseq.orchestration.task_runner import NodeTaskRunner
from pulseq.processes.loopback import loopback_settings, without_proxy
from pulseq.protocol.work import shown_name
from pulseq.reports.tally import Tally

#: Given the id of the flow run that carries it; the state that this is to end in. It has Prefect's own name for its
#: kind: automations of any maker wait for these.
FlowBody = Callable[[str], Awaitable[State[Any]]]
#: In a list that is emptied: threads of Prefect's keep copies of a flow's context until the program ends, and
#: with them all that is in it.
_body: ContextVar[list[FlowBody]] = ContextVar("pulseq-flow-body")


# The cast: a Dask task runner is a `TaskRunner` of its own kind of future, which Prefect's own types leave out.
@flow(name="run-suite", task_runner=cast(Any, NodeTaskRunner()), validate_parameters=False, log_prints=False, retries=0)
async def suite_flow(suite: str, run_id: str) -> State[Any]:
    """Run a suite of tests on the nodes of a cluster.

    Args:
        suite: The name of the suite.
        run_id: The run's id in journal and database.
    """
    context = FlowRunContext.get()
    assert context is not None
    return await _body.get()[0](_id_of(context))


def ending_of(code: ExitCode, tally: Tally) -> State[Any]:
    """What the flow run of a run that ends with this code and these verdicts is to say: as its summary counts them."""
    message = tally.say()
    match code:
        case ExitCode.OK | ExitCode.NOTHING_TO_RUN:
            return Completed(message=message)
        case ExitCode.INTERRUPTED:
            return Cancelled(message=f"interrupted: {message}")
        case ExitCode.DEADLINE:
            return failed(f"its deadline has passed: {message}")
    return failed(message)


def failed(message: str) -> State[Any]:
    """The state of a flow run that went wrong, and why."""
    return Failed(message=message)


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The log of the current flow run, which its page shows."""
    return get_run_logger()


def _id_of(context: FlowRunContext) -> str:
    assert context.flow_run is not None
    return str(context.flow_run.id)


async def run_as_flow(
    body: FlowBody, *, name: str, suite: str, run_id: str, begun: Callable[[], None] | None = None
) -> None:
    """Run `body` within a flow run: the current one if there is one, else one of its own called `name`.

    In the current one the caller turns the ending into its state; nothing is nested.

    Args:
        begun: called when a flow run of its own has begun, by who has a `patient_start`; None for one made here.
    """
    current = FlowRunContext.get()
    if current is not None and current.flow_run is not None:
        await body(_id_of(current))
        return
    if begun is not None:
        await _run_own_flow(body, begun, name=name, suite=suite, run_id=run_id)
        return
    with patient_start() as until:
        await _run_own_flow(body, until, name=name, suite=suite, run_id=run_id)


def load_late() -> None:
    """Import what the first flow run of a process asks for: 80 ms, which are to be had while a server starts."""
    import fastapi.encoders  # noqa: F401


async def _run_own_flow(body: FlowBody, begun: Callable[[], None], *, name: str, suite: str, run_id: str) -> None:
    async def begin(flow_run_id: str) -> State[Any]:
        begun()
        return await body(flow_run_id)

    bodies: list[FlowBody] = [begin]
    token = _body.set(bodies)
    try:
        await suite_flow.with_options(flow_run_name=shown_name(name))(
            suite=shown_name(suite), run_id=run_id, return_state=True
        )
    finally:
        _body.reset(token)
        bodies.clear()


def within_flow_run() -> bool:
    """Whether this is called inside a flow run already."""
    return FlowRunContext.get() is not None


async def forget_flow_run(flow_run_id: str) -> None:
    """Delete a flow run of our own in which nothing has run; one that cannot be deleted stays."""
    async with get_client() as client:
        with contextlib.suppress(httpx.HTTPError, PrefectException):
            await client.delete_flow_run(UUID(flow_run_id))


def configured_api_url() -> str | None:
    """The Prefect API that the environment or the active profile names, if any."""
    return PREFECT_API_URL.value() or None


#: How often Prefect's client asks again where an API does not answer, waiting 2, 4, 8 … s between: its own
#: five times, at each of the calls that end a flow run, keep a finished run waiting for minutes.
RETRIES_OF_A_CONFIGURED_API = 3
RETRIES_OF_AN_EMBEDDED_SERVER = 1
#: Before anything has run there is nothing to be kept waiting, and a minute is better than no run: a server on
#: SQLite refuses (503) what comes while it writes, as it does where many runs start at once. Its waits have jitter.
RETRIES_AT_START = 5
#: So long an API that is gone may take all the same.
GONE_TIMEOUT_SECONDS = 2.0


@contextlib.contextmanager
def patient_start() -> Iterator[Callable[[], None]]:
    """Ask a busy API again for as long as a start may take, until what this gives is called.

    Prefect makes settings anew for it, which takes 30 ms.
    """
    with contextlib.ExitStack() as patience:
        retries = max(RETRIES_AT_START, PREFECT_CLIENT_MAX_RETRIES.value())
        patience.enter_context(temporary_settings({PREFECT_CLIENT_MAX_RETRIES: retries}))
        yield patience.close


@contextlib.contextmanager
def without_patience() -> Iterator[None]:
    """Have Prefect ask the API of the current flow run once, and briefly: it is gone.

    What the engine cannot tell as completed it tells as crashed, and each with all of its retries.
    """
    context = FlowRunContext.get()
    client = context.client._client if context is not None else None
    with contextlib.ExitStack() as stack:
        if client is not None:
            stack.callback(setattr, client, "timeout", client.timeout)
            client.timeout = httpx.Timeout(GONE_TIMEOUT_SECONDS)
        stack.enter_context(temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}))
        yield


@contextlib.contextmanager
def use_configured_api(*, auth: str | None = None) -> Iterator[None]:
    """Let Prefect in this context talk to the configured API, with an end to its patience.

    Args:
        auth: an auth string for where none is configured.
    """
    defaults: dict[Any, Any] = {PREFECT_CLIENT_MAX_RETRIES: RETRIES_OF_A_CONFIGURED_API}
    if auth is not None:
        defaults[PREFECT_API_AUTH_STRING] = auth
    with without_proxy(configured_api_url() or ""), temporary_settings(set_defaults=defaults):
        yield


@contextlib.contextmanager
def use_api(
    url: str,
    *,
    auth: str | None = None,
    retries: int = RETRIES_OF_AN_EMBEDDED_SERVER,
    same_release: bool = False,
    heartbeats: bool = True,
) -> Iterator[None]:
    """Let Prefect in this context talk to the embedded server at `url`.

    Without sending logs there: the handler would go on doing so in its own time, after the server's end.

    Args:
        auth: its auth string; None leaves the configured one, if any.
        same_release: the server was started by this very process, and need not be asked for its version.
        heartbeats: flow runs tell that they live. One that nobody waits for is still under way when a server of a
            single run ends, and Prefect complains of that.
    """
    settings: dict[Any, Any] = {
        PREFECT_API_URL: url,
        PREFECT_LOGGING_TO_API_ENABLED: False,
        PREFECT_CLIENT_MAX_RETRIES: retries,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: not same_release,
    }
    if not heartbeats:
        settings[PREFECT_FLOWS_HEARTBEAT_FREQUENCY] = None
    if auth is not None:
        settings[PREFECT_API_AUTH_STRING] = auth
    if certificates := loopback_settings(url):
        settings[PREFECT_API_SSL_CERT_FILE] = certificates[PREFECT_API_SSL_CERT_FILE.name]
    with without_proxy(url), temporary_settings(settings):
        yield


def flow_run_url(flow_run_id: str, api_url: str) -> str:
    """Where the flow run can be looked at in the Prefect UI."""
    base = PREFECT_UI_URL.value() or api_url.removesuffix("/").removesuffix("/api")
    return f"{base}/runs/flow-run/{flow_run_id}"
