"""What a driver asks of its nodes, and what it hears when they do not answer."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pulseq.orchestration import task_runner
from pulseq.orchestration.task_runner import NodeTaskRunner


class Client:
    """A Dask client whose workers answer with `answers`, or never where there is none."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.scheduler: object | None = object()
        self.asked: list[str] = []

    async def run(self, _function: Any, *_arguments: Any, workers: list[str], on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        self.asked += workers
        if workers[0] not in self.answers:
            await asyncio.get_running_loop().create_future()
        return {workers[0]: self.answers[workers[0]]}


def _leave(client: Client, *addresses: str, members: frozenset[str] = frozenset()) -> None:
    runner = NodeTaskRunner()
    runner.bind(cast(Any, client), members.__contains__)
    asyncio.run(runner.leave_run("r", list(addresses)))


def test_every_node_is_asked() -> None:
    client = Client(a=None, b=None)

    _leave(client, "a", "b")

    assert client.asked == ["a", "b"]


def test_a_frozen_node_is_waited_for_until_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_runner, "MEMBER_POLL_SECONDS", 0.001)
    client = Client(a=None)

    _leave(client, "a", "frozen", members=frozenset({"a"}))

    assert client.asked == ["a", "frozen"]


def test_a_node_that_is_gone_is_no_error() -> None:
    client = Client(a=ConnectionError("closed"))

    _leave(client, "a")

    assert client.asked == ["a"]


def test_what_a_node_raises_is_raised_here() -> None:
    with pytest.raises(KeyError):
        _leave(Client(a=KeyError("r")), "a")


def test_nobody_is_asked_over_a_closed_connection() -> None:
    client = Client(a=None)
    client.scheduler = None

    with pytest.raises(ConnectionError, match="is closed"):
        _leave(client, "a")


def test_a_node_that_dies_while_it_collects_is_an_os_error() -> None:
    runner = NodeTaskRunner()
    runner.bind(cast(Any, Client(a=ConnectionError("closed"))))

    with pytest.raises(OSError, match="closed"):
        asyncio.run(runner.collect("r", "a", None))
