"""Lines in the log of a flow run, as an API that takes them gets them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from pulseq.orchestration import run_log
from pulseq.orchestration.run_log import LogLine, tell_log


class Client:
    """A client of an API that keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, Any]]] = []

    async def create_logs(self, logs: list[dict[str, Any]]) -> None:
        self.requests.append(logs)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()

    @contextlib.asynccontextmanager
    async def use() -> AsyncIterator[Client]:
        yield client

    monkeypatch.setattr(run_log, "open_client", use)
    return client


def test_a_line_is_about_a_task_run_or_about_the_flow_run_alone(client: Client) -> None:
    flow_run, task_run = str(uuid4()), str(uuid4())

    asyncio.run(tell_log(flow_run, [LogLine("no \ud800", 0.0, task_run), LogLine("gone", 1.0, None, logging.WARNING)]))

    assert [
        {
            "name": "pulseq.run",
            "level": 40,
            "message": "no \\ud800",
            "timestamp": "1970-01-01T00:00:00+00:00",
            "flow_run_id": flow_run,
            "task_run_id": task_run,
        },
        {
            "name": "pulseq.run",
            "level": 30,
            "message": "gone",
            "timestamp": "1970-01-01T00:00:01+00:00",
            "flow_run_id": flow_run,
            "task_run_id": None,
        },
    ] == client.requests[0]


def test_many_lines_take_several_requests(client: Client) -> None:
    asyncio.run(tell_log(str(uuid4()), [LogLine(str(n), 0.0) for n in range(230)]))

    assert [100, 100, 30] == [len(request) for request in client.requests]
