"""The whole Python API in use, for a type checker to read; nothing here is run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prefect import task

from pulseq.distributed import (
    DistributedTestRunner,
    NodeManager,
    NodeTaskRunner,
    ResultsAggregator,
    TestNode,
    TestResult,
    TestResults,
    TestScheduler,
    requires,
)
from pulseq.fleet import FrameworkConfig

CONFIG: dict[str, Any] = {"node_timeout": 60, "result_aggregation": {"enabled": True}}


async def use_runner(scheduler: TestScheduler, aggregator: ResultsAggregator) -> TestResults:
    async with DistributedTestRunner(scheduler=scheduler, aggregator=aggregator, config=CONFIG) as runner:
        node = TestNode("node1", "localhost", 8000, {"os": "linux", "gpu": True}, 5)
        node.max_concurrent_tests = 2
        await runner.add_node(node)
        await runner.add_node({"id": "node2", "host": "localhost"})
        nodes: Mapping[str, TestNode] = runner.nodes
        config: FrameworkConfig = runner.config
        one: TestResult = await runner.run_test({"id": "a", "duration": 1.0, "timeout": config.node_timeout})
        again: TestResult = await runner.run_test_with_retry({"id": "b", "max_retries": len(nodes)})
        loads: dict[str, int] = await runner.distribute_tests(scheduler)
        results: TestResults = await runner.run_tests()
        results += [one, again]
        await runner.remove_node(max(loads))
        await runner.close()
    return results


async def use_scheduler() -> int:
    scheduler = TestScheduler(config=FrameworkConfig())
    await scheduler.schedule_test({"id": "a"})
    await scheduler.register_node(TestNode(id="node1"))
    tests: list[Mapping[str, Any]] = scheduler.get_node_tests("node1")
    return len(tests) + scheduler.get_node_load("node1") + sum(scheduler.get_node_loads().values())


async def use_manager(node: TestNode) -> list[TestNode]:
    manager = NodeManager(config=CONFIG)
    manager.heartbeat_interval, manager.node_timeout = 1.0, manager.node_timeout * 2
    await manager.register_node(node)
    await manager.start_monitoring()
    await manager.process_heartbeat(node.id)
    status: str = manager.get_node_status(node.id)
    await manager.stop_monitoring()
    return manager.get_available_nodes() if status == "active" else []


def use_aggregator() -> float:
    aggregator = ResultsAggregator(config=CONFIG)
    aggregator.add_result(TestResult("a", "node1", "passed", 1.0, datetime.now(UTC), {"size": 1}, error=None))
    results: TestResults = aggregator.get_results()
    longest: float = max(result.duration for result in results)
    summary: dict[str, Any] = aggregator.get_summary() | aggregator.get_node_summary("node1") | results.get_summary()
    metrics: dict[str, dict[str, float]] = aggregator.get_metrics_summary()
    aggregator.close()
    return longest + float(summary["pass_rate"]) + metrics["size"]["p95"]


@task
def add(one: int, other: int) -> int:
    return one + other


def use_task_runner() -> NodeTaskRunner:
    number: int = requires(add, browser="chrome", memory=">=8GB", gpu=True).submit(1, other=2).result()
    return NodeTaskRunner(f"tcp://127.0.0.1:{number}")
