"""The documented scheduler."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from pulseq.distributed.node_manager import NodeManager
from pulseq.distributed.session import Session
from pulseq.distributed.test_node import TestNode
from pulseq.distributed.test_scheduler import TestScheduler
from pulseq.fleet import FrameworkConfig, Strategy

DOCUMENTED = {
    "id": "test1",
    "name": "api_test",
    "duration": 1.0,
    "priority": "high",
    "requirements": {"os": "linux", "browser": "chrome"},
    "timeout": 30,
    "max_retries": 3,
    "metrics": ["response_time", "memory_usage"],
}


def make(*nodes: TestNode, tests: int = 0, **config: Any) -> TestScheduler:
    scheduler = TestScheduler(config=config or None, session=Session())
    for node in nodes:
        asyncio.run(scheduler.register_node(node))
    for number in range(tests):
        asyncio.run(scheduler.schedule_test({"id": f"t{number}", "duration": 1.0}))
    return scheduler


def test_the_documented_test_is_assigned_before_a_run() -> None:
    scheduler = make(TestNode("node1", "localhost", 8000, {"os": "linux", "browser": "chrome"}), TestNode("node2"))
    asyncio.run(scheduler.schedule_test(DOCUMENTED))

    assert {"node1": 1, "node2": 0} == scheduler.get_node_loads()
    assert (1, [DOCUMENTED]) == (scheduler.get_node_load("node1"), scheduler.get_node_tests("node1"))


def test_a_node_of_this_machine_offers_what_can_be_read_off_it() -> None:
    scheduler = make(TestNode("node1"))
    asyncio.run(scheduler.schedule_test({"id": "t", "requirements": {"cpus": ">=1", "python": ">=3.11"}}))

    assert 1 == scheduler.get_node_load("node1")


def test_a_node_elsewhere_offers_what_it_declares_alone() -> None:
    scheduler = make(TestNode("node1", "lab.example"))
    asyncio.run(scheduler.schedule_test({"id": "t", "requirements": {"cpus": ">=1"}}))

    assert 0 == scheduler.get_node_load("node1")


@pytest.mark.parametrize("strategy", Strategy)
def test_equal_nodes_never_differ_by_more_than_one_test(strategy: Strategy) -> None:
    nodes = [TestNode(f"node{number}") for number in range(3)]
    scheduler = make(*nodes, tests=20, load_balancing_strategy=str(strategy))

    assert [6, 7, 7] == sorted(scheduler.get_node_loads().values())


def test_the_strategy_of_the_configuration_counts() -> None:
    nodes = TestNode("large", max_concurrent_tests=9), TestNode("small", max_concurrent_tests=1)

    assert {"large": 5, "small": 5} == make(*nodes, tests=10, load_balancing_strategy="round_robin").get_node_loads()
    assert {"large": 9, "small": 1} == make(*nodes, tests=10, load_balancing_strategy="least_loaded").get_node_loads()


def test_a_node_that_comes_later_gets_its_share() -> None:
    scheduler = make(TestNode("node1"), tests=4)
    assert 4 == scheduler.get_node_load("node1")
    asyncio.run(scheduler.register_node(TestNode("node2")))

    assert {"node1": 2, "node2": 2} == scheduler.get_node_loads()


def test_what_a_node_is_assigned_counts_anew_when_its_attributes_change() -> None:
    node = TestNode("node1", capabilities={"browser": "firefox"})
    scheduler = make(node)
    asyncio.run(scheduler.schedule_test({"id": "t", "requirements": {"browser": "chrome"}}))
    assert 0 == scheduler.get_node_load("node1")
    node.capabilities = {"browser": "chrome"}

    assert 1 == scheduler.get_node_load("node1")


def test_the_nodes_of_a_runner_s_session_are_its_own() -> None:
    session = Session(FrameworkConfig(strategy=Strategy.ROUND_ROBIN))
    session.nodes["node1"] = TestNode("node1")
    scheduler = TestScheduler(session=session)

    assert {"node1": 0} == scheduler.get_node_loads()
    assert Strategy.ROUND_ROBIN is scheduler.config.strategy


def test_tests_can_be_distributed_to_the_nodes_of_another_session() -> None:
    scheduler, other = make(tests=3), Session()
    other.nodes["far"] = TestNode("far")
    scheduler.distribute(other)

    assert 3 == scheduler.get_node_load("far")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"priority": "urgent"}, "priority: found 'urgent', expected one of critical, high, medium, low"),
        ({"timeout": -1}, "timeout: found -1, expected a number of seconds above 0"),
        ({"max_retries": 1.5}, "max_retries: found 1.5, expected a whole number, 0 or more"),
        ({"requirements": {"memory": ">="}}, "requirements.memory: found '>=', expected one of >= <= > < == !="),
        ({"requirements": "linux"}, "requirements: found 'linux', expected a mapping of capabilities"),
        ({"duration": "1"}, "duration: found '1', expected a number of seconds, 0 or more"),
        ({"metrics": "duration"}, "metrics: found 'duration', expected a list of metrics' names"),
        ({"id": ""}, "id: found empty text, expected text"),
        ({"command": ["x"], "call": "a:b"}, "found 2 bodies (command and call), expected exactly one of"),
    ],
)
def test_a_test_that_cannot_be_used_is_refused_and_changes_nothing(changes: dict[str, Any], message: str) -> None:
    scheduler = make(TestNode("node1"))
    with pytest.raises(ValueError) as refusal:
        asyncio.run(scheduler.schedule_test({**DOCUMENTED, **changes}))

    assert message in str(refusal.value)
    assert {"node1": 0} == scheduler.get_node_loads()


def test_what_is_no_test_is_refused() -> None:
    with pytest.raises(ValueError, match="found a list, expected a test as a dict"):
        asyncio.run(make().schedule_test(["id"]))  # type: ignore[arg-type]


def test_a_test_without_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match="id: found nothing, expected this key, which a test needs"):
        asyncio.run(make().schedule_test({"name": "x"}))


def test_a_test_id_that_is_known_is_refused() -> None:
    scheduler = make(TestNode("node1"), tests=1)
    with pytest.raises(ValueError, match="id: found 't0' again"):
        asyncio.run(scheduler.schedule_test({"id": "t0"}))

    assert 1 == scheduler.get_node_load("node1")


def test_a_key_that_looks_like_a_typo_is_warned_of_and_kept() -> None:
    scheduler = make(TestNode("node1"))
    with pytest.warns(UserWarning, match="unknown key 'priorty' is kept as a label; did you mean 'priority'"):
        asyncio.run(scheduler.schedule_test({"id": "t", "priorty": "high"}))

    assert 1 == scheduler.get_node_load("node1")


def test_a_node_id_that_is_known_is_refused() -> None:
    scheduler = make(TestNode("node1"))
    with pytest.raises(ValueError, match="node: id: found 'node1' again, expected one that no other node has"):
        asyncio.run(scheduler.register_node(TestNode("node1")))


def test_a_runner_s_node_may_be_registered_too() -> None:
    session = Session()
    node = session.nodes["node1"] = TestNode("node1")
    scheduler = TestScheduler(session=session)
    asyncio.run(scheduler.register_node(node))

    assert {"node1": 0} == scheduler.get_node_loads()


def test_a_node_that_there_is_not_is_refused() -> None:
    scheduler = make(TestNode("node1"))
    with pytest.raises(KeyError, match=r"there is no node 'node2': register it, or .*; did you mean 'node1'"):
        scheduler.get_node_load("node2")
    with pytest.raises(KeyError, match="there is no node 'x'"):
        scheduler.get_node_tests("x")


def test_nothing_can_be_scheduled_when_the_runner_is_closed() -> None:
    scheduler = make(TestNode("node1"))
    scheduler.session.closed = True
    with pytest.raises(RuntimeError, match="the runner of this scheduler was closed; make a new runner"):
        asyncio.run(scheduler.schedule_test({"id": "t"}))


def test_an_assignment_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pulseq")
    scheduler = make(TestNode("node1", capabilities={"browser": "chrome"}), tests=1)
    asyncio.run(scheduler.schedule_test({"id": "u", "requirements": {"browser": "firefox"}}))

    assert [
        "t0 is assigned to node1, which has 1 now",
        "u waits: no node fits browser=firefox: nearest is node1, which has browser=chrome",
    ] == [message for message in caplog.messages if "selector" not in message]


def test_a_node_that_is_drained_is_assigned_nothing() -> None:
    async def drain() -> tuple[dict[str, int], dict[str, int]]:
        session = Session()
        scheduler, manager = TestScheduler(session=session), NodeManager(session=session)
        for name in ("a", "b"):
            await scheduler.register_node(TestNode(name))
            await manager.register_node(TestNode(name))
        for number in range(4):
            await scheduler.schedule_test({"id": f"t{number}"})
        before = scheduler.get_node_loads()
        await manager.drain("a")
        return before, scheduler.get_node_loads()

    assert ({"a": 2, "b": 2}, {"a": 0, "b": 4}) == asyncio.run(drain())
