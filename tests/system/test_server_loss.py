"""The Prefect server dies in the middle of a run, and comes back or does not: no verdict changes for that."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prefect.states import Completed

from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.flow_run import (
    GONE_TIMEOUT_SECONDS,
    RETRIES_OF_A_CONFIGURED_API,
    run_as_flow,
    use_api,
    without_patience,
)
from tests.system.workplace import Workplace, finish, until

TESTS = 200
SUITE = "suite: many\ntests:\n" + "".join(f"  - {{id: t{i}, simulate: {{duration: 0.1}}}}\n" for i in range(TESTS))
HINT = "`pulseq results sync --prefect` finishes it"


@pytest.fixture
def place(bare_workplace: Workplace) -> Workplace:
    bare_workplace.write("many.yaml", SUITE)
    return bare_workplace


def _journal(workplace: Workplace, kind: str) -> list[dict[str, Any]]:
    return [line["data"] for line in workplace.journal("run") if line["kind"] == kind]


def _verdicts(workplace: Workplace) -> Counter[str]:
    return Counter(closed["status"] for closed in _journal(workplace, "test_closed"))


def _start_and_wait(workplace: Workplace, *options: str) -> Any:
    run = workplace.start("run", "many.yaml", "--run-id", "run", "-q", *options)
    until(lambda: _verdicts(workplace).total() > 5, "the run goes on")
    return run


def _at_prefect(workplace: Workplace, api: httpx.Client) -> tuple[Counter[str], str]:
    """The states of the run's task runs, and of its flow run."""
    flow_run = _journal(workplace, "prefect_run_known")[0]["flow_run_id"]
    query = {"flow_runs": {"id": {"any_": [flow_run]}}, "limit": 200}
    with api:
        task_runs = api.post("task_runs/filter", json=query).raise_for_status().json()
        state = api.get(f"flow_runs/{flow_run}").raise_for_status().json()["state_type"]
    return Counter(one["state_name"] for one in task_runs), state


def test_a_server_that_is_back_at_the_end_agrees_with_the_journal(place: Workplace) -> None:
    up = place.run("up", "-n", "2")
    assert up.code == 0, up.err
    run = _start_and_wait(place)
    standing = json.loads((place.home / "standing.json").read_text())
    server = next(part for part in standing["parts"] if part["name"] == "server")
    os.kill(server["process"]["pid"], signal.SIGKILL)

    ended = finish(run)

    assert ended.code == 0, ended.err
    assert {"passed": TESTS} == _verdicts(place)
    assert ({"Passed": TESTS}, "COMPLETED") == _at_prefect(place, place.standing_api())
    assert place.run("down").code == 0


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Starts Prefect servers, one after the other, on one database."""
    directory = tmp_path_factory.mktemp("prefect")
    with asyncio.Runner() as runner:
        started: list[EmbeddedServer] = []

        async def start() -> EmbeddedServer:
            server = await EmbeddedServer.start(state_directory=directory, run_directory=directory)
            started.append(server)
            await server.ready()
            return server

        yield lambda: runner.run(start()).api_url, lambda: runner.run(started[-1].stop())
        for server in started:
            runner.run(server.stop())


@pytest.mark.slow
def test_a_server_that_is_gone_for_good_is_told_later(place: Workplace, servers: Any) -> None:
    start, stop = servers
    # Asked again, as Prefect does by itself, it would not be there either.
    place.environment |= {"PREFECT_API_URL": start(), "PREFECT_CLIENT_MAX_RETRIES": "0"}
    run = _start_and_wait(place, "-n", "2")
    stop()

    ended = finish(run)

    assert ended.code == 0, ended.err
    assert {"passed": TESTS} == _verdicts(place)
    notes = [note["text"] for note in _journal(place, "run_note")]
    assert {"Prefect could not be told"} == {note[:25] for note in notes}
    # The advice is given once, whatever else there is to say.
    assert 1 == sum(HINT in note for note in notes)

    place.environment["PREFECT_API_URL"] = api = start()
    synced = place.run("results", "sync", "--prefect")

    assert synced.code == 0, synced.err
    assert "1 flow run and" in synced.err
    assert ({"Passed": TESTS}, "COMPLETED") == _at_prefect(place, httpx.Client(base_url=api, timeout=60))


def test_each_call_that_ends_a_flow_run_is_made_once_where_its_api_is_gone(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    async def refuse(_: httpx.AsyncClient, request: httpx.Request, **__: Any) -> httpx.Response:
        asked.append(request.extensions["timeout"]["connect"])
        raise httpx.ConnectError("refused")

    async def end() -> None:
        with contextlib.ExitStack() as ending:

            async def body(_: str) -> Any:
                ending.enter_context(without_patience())
                monkeypatch.setattr(httpx.AsyncClient, "send", refuse)
                return Completed()

            with pytest.raises(httpx.ConnectError):
                await run_as_flow(body, name="gone", suite="s", run_id="r")

    with use_api(prefect_api, retries=RETRIES_OF_A_CONFIGURED_API):
        asyncio.run(end())

    assert [GONE_TIMEOUT_SECONDS] * 2 == asked
