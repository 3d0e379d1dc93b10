"""Which nodes live; only the clock is made up here."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pulseq.cluster import health
from pulseq.cluster.health_watch import Look
from pulseq.distributed.node_manager import NodeManager
from pulseq.distributed.session import Session
from pulseq.distributed.test_node import TestNode
from pulseq.fleet import FrameworkConfig
from pulseq.models import Liveness
from tests.dask_nodes import open_node, open_scheduler

CONFIG = {"heartbeat_interval": 30, "node_timeout": 60}


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def manager(clock: _Clock) -> NodeManager:
    return NodeManager(config=CONFIG, session=Session(), clock=clock)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


async def _until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not question():  # noqa: ASYNC110 - what changes has no event
            await asyncio.sleep(0.005)


def test_a_node_is_active_until_it_is_silent_for_its_timeout(manager: NodeManager, clock: _Clock) -> None:
    _run(manager.register_node(TestNode("a", "elsewhere")))
    seen = [manager.get_node_status("a")]
    for clock.now in (1059.9, 1060.0):
        seen.append(manager.get_node_status("a"))

    assert ["active", "active", "inactive"] == seen
    assert [] == manager.get_available_nodes()


def test_a_heartbeat_brings_a_node_back(manager: NodeManager, clock: _Clock) -> None:
    a, b = TestNode("a"), TestNode("b")
    for node in (a, b):
        _run(manager.register_node(node))
    clock.now += 61
    manager.process_heartbeat("b")

    assert ("inactive", "active", [b]) == (
        manager.get_node_status("a"),
        manager.get_node_status("b"),
        manager.get_available_nodes(),
    )


def test_a_heartbeat_may_be_awaited(manager: NodeManager) -> None:
    async def report() -> str:
        await manager.register_node({"id": "a"})
        await manager.process_heartbeat("a")
        return manager.get_node_status("a")

    assert "active" == _run(report())


def test_a_suspect_node_is_still_active_in_two_words(manager: NodeManager, clock: _Clock) -> None:
    _run(manager.register_node(TestNode("a")))
    clock.now += 50

    assert (Liveness.SUSPECT, "active") == (manager.liveness_of("a"), manager.get_node_status("a"))


def test_limits_can_be_given_when_it_is_made(clock: _Clock) -> None:
    session = Session(FrameworkConfig(heartbeat_interval=1, node_timeout=2))
    both = NodeManager(heartbeat_interval=0.5, node_timeout=5, session=session, clock=clock)
    one = NodeManager(node_timeout=7, config=CONFIG, session=session)
    assert (0.5, 5, 30, 7) == (both.heartbeat_interval, both.node_timeout, one.heartbeat_interval, one.node_timeout)

    _run(both.register_node(TestNode("a")))
    clock.now += 5
    assert "inactive" == both.get_node_status("a")


@pytest.mark.parametrize("limit", ["heartbeat_interval", "node_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "60"])
def test_a_limit_that_is_no_time_is_refused(limit: str, seconds: Any) -> None:
    session = Session()
    with pytest.raises(ValueError, match=f"{limit}: found {seconds!r}, expected seconds above 0"):
        NodeManager(**{limit: seconds}, session=session)
    assert not session.has("manager")


def test_limits_come_from_the_configuration_or_the_session_and_can_be_assigned(clock: _Clock) -> None:
    session = Session(FrameworkConfig(heartbeat_interval=1, node_timeout=2))
    inherited, own = NodeManager(session=session), NodeManager(config=CONFIG, session=session, clock=clock)
    assert (1, 2, 30, 60) == (
        inherited.heartbeat_interval,
        inherited.node_timeout,
        own.heartbeat_interval,
        own.node_timeout,
    )

    _run(own.register_node(TestNode("a")))
    own.node_timeout = 5
    clock.now += 5

    assert "inactive" == own.get_node_status("a")


@pytest.mark.parametrize("name", ["heartbeat_interval", "node_timeout"])
def test_a_limit_that_is_no_time_is_refused_and_changes_nothing(manager: NodeManager, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: found -1, expected seconds above 0"):
        setattr(manager, name, -1)

    assert (30, 60) == (manager.heartbeat_interval, manager.node_timeout)


def test_a_configuration_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="node_timeout"):
        NodeManager(config={"node_timeout": "soon"}, session=Session())


def test_a_node_that_is_registered_twice_is_refused_and_the_first_stays(manager: NodeManager) -> None:
    _run(manager.register_node(TestNode("a", port=1)))

    with pytest.raises(ValueError, match="found node 'a' again"):
        _run(manager.register_node(TestNode("a", port=2)))

    assert [1] == [node.port for node in manager.get_available_nodes()]


@pytest.mark.parametrize("method", ["get_node_status", "process_heartbeat", "forget_node"])
def test_an_unknown_node_is_told_of_with_those_that_are_known(manager: NodeManager, method: str) -> None:
    _run(manager.register_node(TestNode("a")))

    with pytest.raises(KeyError, match="found no node 'b', expected one that is registered: a"):
        getattr(manager, method)("b")


def test_a_forgotten_node_is_unknown(manager: NodeManager) -> None:
    _run(manager.register_node(TestNode("a")))
    manager.forget_node("a")

    with pytest.raises(KeyError, match="none"):
        manager.get_node_status("a")


def test_nodes_of_the_runner_are_known_without_being_registered() -> None:
    session = Session()
    session.nodes["a"] = node = TestNode("a")
    manager = NodeManager(session=session)

    assert ("active", [node]) == (manager.get_node_status("a"), manager.get_available_nodes())


def test_a_node_that_runs_is_asked_again_and_again(manager: NodeManager) -> None:
    manager.heartbeat_interval = 0.01
    looks = list[Look]()

    async def watch() -> list[str]:
        await manager.register_node(TestNode("n"))
        async with open_scheduler() as scheduler:
            async with open_node(scheduler):
                manager.watch_cluster(scheduler.address, looks.append)
                await manager.start_monitoring()
                await manager.start_monitoring()
                seen = [manager.get_node_status("n")]
            await _until(lambda: manager.get_node_status("n") == "inactive")
            async with open_node(scheduler):
                await _until(lambda: manager.get_node_status("n") == "active")
                # Whoever watches is told after that, and not any more once nobody looks.
                await _until(lambda: told()[-1:] == [Liveness.ACTIVE])
                await manager.stop_monitoring()
        return seen

    def told() -> list[Liveness]:
        return [change.health.liveness for look in looks for change in look.changes]

    assert ["active"] == _run(watch())
    states = told()
    # On a busy machine an answer may come after one look and before the next: then it is suspect for so long.
    known = [state for state, _ in itertools.groupby(one for one in states if one is not Liveness.SUSPECT)]
    assert [Liveness.INACTIVE, Liveness.ACTIVE] == known[-2:]


def test_monitoring_that_was_stopped_looks_no_more_and_can_begin_again(manager: NodeManager) -> None:
    manager.heartbeat_interval = 0.01
    looks = list[Look]()

    async def watch() -> None:
        async with open_scheduler() as scheduler:
            manager.watch_cluster(scheduler.address, looks.append)
            before = asyncio.all_tasks()
            await manager.start_monitoring(look_at_once=False)
            (monitoring,) = asyncio.all_tasks() - before
            await _until(lambda: len(looks) > 1)
            await manager.stop_monitoring()
            await manager.stop_monitoring()
            assert monitoring.done()
            await manager.start_monitoring()
            await manager.stop_monitoring()

    _run(watch())


def test_a_scheduler_that_does_not_answer_makes_its_nodes_inactive(
    manager: NodeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch() -> list[str]:
        async with open_scheduler() as scheduler, open_node(scheduler):
            manager.watch_cluster(scheduler.address)
            await manager.look()
            seen = [manager.get_node_status("n")]
        monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.05)
        await manager.look()
        return [*seen, manager.get_node_status("n")]

    _run(manager.register_node(TestNode("n")))

    assert ["active", "inactive"] == _run(watch())


def test_nodes_of_the_session_are_looked_at_as_soon_as_there_are_any() -> None:
    session = Session()
    manager = NodeManager(session=session)

    async def watch() -> list[str]:
        await manager.start_monitoring()
        async with open_scheduler() as scheduler:
            async with open_node(scheduler):
                session.scheduler, session.nodes["n"] = scheduler.address, TestNode("n")
                await manager.look()
                seen = [manager.get_node_status("n")]
            await manager.look()
            await manager.stop_monitoring()
        return [*seen, manager.get_node_status("n")]

    assert ["active", "inactive"] == _run(watch())


def test_nodes_of_a_runner_that_is_closed_are_looked_at_no_more() -> None:
    session = Session()
    manager = NodeManager(session=session)

    async def watch() -> list[Look | None]:
        async with open_scheduler() as scheduler:
            session.scheduler = scheduler.address
            looks = [await manager.look()]
            session.scheduler = ""
            return [*looks, await manager.look()]

    before, after = _run(watch())
    assert before is not None
    assert after is None


def test_where_nothing_runs_a_look_finds_nothing(manager: NodeManager) -> None:
    assert _run(manager.look()) is None


def test_each_change_is_told_in_one_line_at_debug(manager: NodeManager, caplog: pytest.LogCaptureFixture) -> None:
    async def watch() -> None:
        async with open_scheduler() as scheduler:
            async with open_node(scheduler):
                manager.watch_cluster(scheduler.address)
                await manager.look()
            await manager.look()

    with caplog.at_level(logging.DEBUG, "pulseq"):
        _run(watch())

    told = [record.getMessage() for record in caplog.records if record.name.startswith("pulseq")]
    assert ["node n is inactive: it has left the scheduler; last seen 0.0 s ago"] == told


def test_a_node_that_is_drained_is_not_available_until_it_is_undrained() -> None:
    async def mark() -> None:
        manager = NodeManager(session=Session())
        for name in ("a", "b"):
            await manager.register_node(TestNode(name))
        await manager.drain("a", why="firmware")
        await manager.cordon("b")
        assert [] == manager.get_available_nodes()
        told = manager.get_node_mark("a")
        assert told is not None
        assert ("draining", "firmware") == (told.state, told.why)
        assert told.who
        assert told.at > 0
        assert "active" == manager.get_node_status("a")
        await manager.undrain("a")
        assert ["a"] == [node.id for node in manager.get_available_nodes()]
        assert manager.get_node_mark("a") is None

    asyncio.run(mark())


@pytest.mark.parametrize("verb", ["drain", "cordon", "undrain"])
def test_a_node_that_nobody_knows_is_not_marked(verb: str) -> None:
    manager = NodeManager(session=Session())

    with pytest.raises(KeyError, match="found no node 'a', expected one that is registered: none"):
        asyncio.run(getattr(manager, verb)("a"))
    with pytest.raises(KeyError):
        manager.get_node_mark("a")


def test_marks_of_a_cluster_are_shared_with_all_who_use_it() -> None:
    async def mark() -> None:
        async with open_scheduler() as scheduler, open_node(scheduler, "n"):
            managers = [NodeManager(session=Session()) for _ in range(2)]
            for manager in managers:
                await manager.register_node(TestNode("n"))
                manager.watch_cluster(scheduler.address)
            mine, theirs = managers
            await mine.drain("n", why="firmware")
            await theirs.look()
            await theirs.drain("n")
            assert (mark := theirs.get_node_mark("n"))
            assert mark.why == "firmware"
            assert [] == theirs.get_available_nodes()
            await theirs.undrain("n")
            await mine.look()
            assert ["n"] == [node.id for node in mine.get_available_nodes()]

    asyncio.run(mark())
