"""What a node hears of a scheduler before it registers there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
from distributed import Scheduler

from pulseq import __version__
from pulseq.errors import InfrastructureError
from pulseq.node import joining
from pulseq.node.joining import meet_scheduler, prepare_to_join
from pulseq.node.leaving import own_name
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.welcome import WELCOME_KEY, NodeWords, NotWelcomeError, Welcome
from pulseq.security.authority import make_credentials
from tests.dask_nodes import open_node, open_scheduler, open_worker

OURS = make_credentials("ours")


def at_scheduler(check: Callable[[Scheduler], Awaitable[None]], welcome: Welcome | None = None) -> None:
    async def run() -> None:
        async with open_scheduler(OURS) as scheduler:
            if welcome is not None:
                scheduler.set_metadata([WELCOME_KEY], msgspec.to_builtins(welcome))
            await check(scheduler)

    asyncio.run(run())


def test_it_hears_how_silent_it_may_be() -> None:
    async def check(scheduler: Scheduler) -> None:
        told = {"scheduler": scheduler.address, "credentials": OURS.told(), "node_id": "n", "former": ()}
        prepared = await prepare_to_join(told)
        limits = {"node_timeout_seconds": 40.0, "heartbeat_seconds": 5.0}
        assert {**told, "host": "127.0.0.1", **limits, "env": {}, "python": None} == prepared

    at_scheduler(check, Welcome(__version__, PROTOCOL, 40.0, 5.0))


def test_it_hears_what_the_fleets_file_says_of_its_bodies() -> None:
    words = {"n": NodeWords({"DISPLAY": ":1"}, "/opt/python"), "other": NodeWords({"DISPLAY": ":2"})}

    async def check(scheduler: Scheduler) -> None:
        told = {"scheduler": scheduler.address, "credentials": OURS.told(), "node_id": "n", "former": ()}
        prepared = await prepare_to_join(told)
        assert ({"DISPLAY": ":1"}, "/opt/python") == (prepared["env"], prepared["python"])

    at_scheduler(check, Welcome(__version__, PROTOCOL, nodes=words))


def test_somebodys_own_scheduler_is_taken_as_it_is() -> None:
    async def check(scheduler: Scheduler) -> None:
        assert Welcome() == await meet_scheduler(scheduler.address, OURS, "n")

    at_scheduler(check)


@pytest.mark.parametrize(
    ("welcome", "told"),
    [
        (Welcome("0.0.9", PROTOCOL), f"has PulseQ 0.0.9, this node {__version__}: install PulseQ 0.0.9 here"),
        (Welcome(__version__, 77), f"has protocol 77, this node {PROTOCOL}: install the same release of PulseQ here"),
    ],
)
def test_another_release_is_told_with_both(welcome: Welcome, told: str) -> None:
    async def check(scheduler: Scheduler) -> None:
        with pytest.raises(NotWelcomeError, match=told):
            await meet_scheduler(scheduler.address, OURS, "n")

    at_scheduler(check, welcome)


def test_another_release_of_dask_is_told_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.node.joining.version", lambda _: "1999.1.0")

    async def check(scheduler: Scheduler) -> None:
        with pytest.raises(
            NotWelcomeError, match=r"has distributed 20.*, this node 1999\.1\.0: install distributed 20"
        ):
            await meet_scheduler(scheduler.address, OURS, "n")

    at_scheduler(check)


def test_an_id_that_another_node_has_is_refused() -> None:
    async def check(scheduler: Scheduler) -> None:
        async with open_node(scheduler, "lab1") as node:
            with pytest.raises(
                NotWelcomeError, match=r"there is a node 'lab1' already, on .* give this one another --id"
            ):
                await meet_scheduler(scheduler.address, OURS, "lab1", ["another"])
            assert node.address in scheduler.workers

    at_scheduler(check)


def test_its_own_former_self_leaves_its_place() -> None:
    async def check(scheduler: Scheduler) -> None:
        labels = {"id": "lab1", "slots": 1, "capabilities": {}, "incarnation": "before"}
        async with open_worker(scheduler, "lab1", labels) as former:
            await meet_scheduler(scheduler.address, OURS, "lab1", ["long ago", "before"])
            assert former.address not in scheduler.workers
            async with open_worker(scheduler, "lab1", labels) as again:
                assert [again.address] == [*scheduler.workers]

    at_scheduler(check)


def _mark(who: str) -> Mapping[str, Any]:
    return {"node_id": "lab1", "state": "draining", "why": "", "who": who, "at": 1.0}


@pytest.mark.parametrize(("who", "state"), [(own_name("lab1"), "open"), ("anna@desk", "draining")])
def test_it_takes_back_what_it_has_said_of_itself_and_nobody_elses_word(who: str, state: str) -> None:
    async def check(scheduler: Scheduler) -> None:
        scheduler.set_metadata(["pulseq-marks", "lab1"], _mark(who))
        await meet_scheduler(scheduler.address, OURS, "lab1")
        assert state == scheduler.get_metadata(["pulseq-marks", "lab1"])["state"]

    at_scheduler(check)


def test_what_is_no_scheduler_is_told() -> None:
    async def check(scheduler: Scheduler) -> None:
        async with open_node(scheduler) as node:
            with pytest.raises(NotWelcomeError, match="is of Dask, but no scheduler"):
                await meet_scheduler(node.address, OURS, "n")

    at_scheduler(check)


def test_one_that_is_not_there_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_PATIENCE_SECONDS", 0.5)

    async def check(scheduler: Scheduler) -> None:
        address = scheduler.address
        await scheduler.close()
        with pytest.raises(InfrastructureError, match="does not answer") as told:
            await meet_scheduler(address, OURS, "n")
        assert not isinstance(told.value, NotWelcomeError)

    at_scheduler(check)
