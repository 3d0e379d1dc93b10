"""The documented runner, as far as it needs no nodes; `tests/system/test_python_api.py` has the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from pulseq.distributed import DistributedTestRunner, ResultsAggregator, TestNode, TestScheduler
from pulseq.fleet import Strategy

FRAMEWORK = {
    "heartbeat_interval": 30,
    "node_timeout": 60,
    "load_balancing_strategy": "round_robin",
    "result_aggregation": {"enabled": True, "interval": 5, "persist_results": True},
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    return tmp_path


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_nothing_is_started_by_making_one(place: Path) -> None:
    before = set(threading.enumerate())  # those of others may end meanwhile
    runner = DistributedTestRunner()
    run(runner.close())

    assert set() == set(threading.enumerate()) - before
    assert [] == list(place.iterdir())


def test_the_documented_configuration_is_accepted() -> None:
    assert Strategy.ROUND_ROBIN is DistributedTestRunner(config=FRAMEWORK).config.strategy


def test_a_configuration_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="framework: load_balancing_strategy: found 'fair', expected one of"):
        DistributedTestRunner(config={"load_balancing_strategy": "fair"})


def test_a_scheduler_made_beside_it_is_its_own() -> None:
    runner, scheduler = DistributedTestRunner(config=FRAMEWORK), TestScheduler()

    assert Strategy.ROUND_ROBIN is scheduler.config.strategy
    assert runner.config is scheduler.config


def test_without_nodes_a_test_is_unsatisfiable_at_once() -> None:
    result = run(DistributedTestRunner().run_test({"id": "t", "duration": 1.0}))

    assert ("t", "error", "unsatisfiable", "there are no nodes") == (
        result.test_id,
        result.status,
        result.reason,
        result.error,
    )


def test_without_nodes_the_error_says_what_was_required() -> None:
    result = run(DistributedTestRunner().run_test_with_retry({"id": "t", "requirements": {"browser": "chrome"}}))

    assert "no node fits browser=chrome: there are no nodes; add one with add_node" == result.error


def test_without_nodes_scheduled_tests_are_unsatisfiable() -> None:
    runner, scheduler = DistributedTestRunner(), TestScheduler()
    run(scheduler.schedule_test({"id": "a"}))
    run(scheduler.schedule_test({"id": "b"}))
    results = run(runner.run_tests())

    assert ["a", "b"] == [result.test_id for result in results]
    assert {"unsatisfiable"} == {result.reason for result in results}
    assert [] == run(runner.run_tests())


def test_nothing_scheduled_is_no_results() -> None:
    results = run(DistributedTestRunner().run_tests())

    assert ([], {0}) == (results, set(results.get_summary().values()))


def test_results_go_to_the_aggregator_made_beside_it() -> None:
    runner, aggregator = DistributedTestRunner(), ResultsAggregator()
    run(runner.run_test({"id": "t"}))

    assert 1 == aggregator.get_summary()["errors"]


def test_results_go_to_the_aggregator_that_is_given() -> None:
    aggregator = ResultsAggregator()
    run(DistributedTestRunner(aggregator=aggregator).run_test({"id": "t"}))

    assert 1 == aggregator.get_summary()["errors"]


def test_results_go_nowhere_where_aggregation_is_off() -> None:
    runner = DistributedTestRunner(config={"result_aggregation": {"enabled": False}})
    aggregator = ResultsAggregator()
    run(runner.run_test({"id": "t"}))

    assert 0 == aggregator.get_summary()["total_tests"]


def test_a_scheduler_can_be_given() -> None:
    scheduler = TestScheduler()
    run(scheduler.schedule_test({"id": "t"}))

    assert 1 == len(run(DistributedTestRunner(scheduler=scheduler).run_tests()))


def test_tests_of_another_runner_s_scheduler_can_be_distributed() -> None:
    first, scheduler = DistributedTestRunner(), TestScheduler()
    run(scheduler.schedule_test({"id": "t"}))
    second = DistributedTestRunner()

    assert {} == run(second.distribute_tests(scheduler))
    assert 1 == len(run(second.run_tests()))
    assert [] == run(first.run_tests())


def test_a_test_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="test 't': timeout: found 0, expected a number of seconds above 0"):
        run(DistributedTestRunner().run_test({"id": "t", "timeout": 0}))


def test_a_typo_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="did you mean 'timeout'"):
        run(DistributedTestRunner().run_test({"id": "t", "timout": 3}))


def test_a_node_that_there_is_not_cannot_be_removed() -> None:
    with pytest.raises(KeyError, match="there is no node 'node1' to remove; there are: none"):
        run(DistributedTestRunner().remove_node("node1"))


def test_what_is_no_node_cannot_be_added(place: Path) -> None:
    with pytest.raises(ValueError, match="found a str, expected a TestNode or a dict"):
        run(DistributedTestRunner().add_node("node1"))  # type: ignore[arg-type]

    assert [] == list(place.iterdir())


@pytest.mark.parametrize(
    "call",
    [
        lambda runner: runner.add_node(TestNode("node1")),
        lambda runner: runner.remove_node("node1"),
        lambda runner: runner.run_test({"id": "t"}),
        lambda runner: runner.run_test_with_retry({"id": "t"}),
        lambda runner: runner.run_tests(),
        lambda runner: runner.distribute_tests(TestScheduler()),
    ],
)
def test_a_closed_runner_refuses(call: Any) -> None:
    async def main() -> None:
        async with DistributedTestRunner() as runner:
            pass
        await runner.close()
        await call(runner)

    with pytest.raises(RuntimeError, match="this runner was closed; make a new DistributedTestRunner"):
        run(main())


def test_all_documented_classes_are_no_tests_for_pytest() -> None:
    import pulseq.distributed as api

    exported = [getattr(api, name) for name in api.__all__]
    assert {False} == {one.__test__ for one in exported if isinstance(one, type)}


def test_a_shell_completes_all_documented_names() -> None:
    import pulseq.distributed as api

    assert {*api.__all__} <= {*dir(api)}


def test_an_unknown_name_is_refused() -> None:
    import pulseq.distributed as api

    with pytest.raises(AttributeError, match="has no attribute 'Runner'"):
        _ = api.Runner
