"""The Python API with real nodes: one runner for all of these tests, in the process of the tests."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pulseq.distributed import DistributedTestRunner, ResultsAggregator, TestNode, TestResult, TestScheduler
from pulseq.errors import InfrastructureError
from pulseq.fleet import FrameworkConfig, NodeSpec
from pulseq.results.database import Database
from pulseq.results.journal import journal_path
from tests.journals import replay
from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import until

#: Prefect's and Dask's clients leave sockets to the garbage collector, which tells of it in whatever test runs then.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

CONFIG = {"load_balancing_strategy": "round_robin", "result_aggregation": {"interval": 0.5}}


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # Each call has a loop of its own: a runner is not bound to one.
    return asyncio.run(coroutine)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PREFECT_API_URL", "PREFECT_PROFILES_PATH"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(place))
        patch.setenv("PULSEQ_HOME", str(place / "home"))
        yield place / "home"


@pytest.fixture(scope="module")
def runner(home: Path) -> Iterator[DistributedTestRunner]:
    before = set(psutil.Process().children(recursive=True))
    runner = DistributedTestRunner(config=CONFIG)
    run(runner.add_node(TestNode("a", max_concurrent_tests=3)))
    run(runner.add_node({"id": "b", "max_concurrent_tests": 3}))
    run(runner.add_node(TestNode("lane", capabilities={"lane": "single"}, max_concurrent_tests=1)))
    yield runner
    run(runner.close())
    assert set() == set(psutil.Process().children(recursive=True)) - before
    assert [] == [thread for thread in threading.enumerate() if thread.name.startswith("pulseq")]


@pytest.fixture
def scheduler(runner: DistributedTestRunner) -> TestScheduler:
    scheduler = TestScheduler()
    run(runner.distribute_tests(scheduler))
    return scheduler


def schedule(scheduler: TestScheduler, *tests: dict[str, Any]) -> None:
    for test in tests:
        run(scheduler.schedule_test(test))


def test_a_test_without_a_body_is_simulated(runner: DistributedTestRunner) -> None:
    result = run(runner.run_test({"id": "simulated", "name": "api", "duration": 0.1, "priority": "high"}))

    assert ("simulated", "api", "passed", None, 1, True) == (
        result.test_id,
        result.name,
        result.status,
        result.reason,
        result.attempts,
        result.simulated,
    )
    assert 0.1 <= result.duration == result.metrics["response_time"]


@pytest.mark.parametrize(
    ("test", "status", "reason", "said"),
    [
        ({"command": ["true"]}, "passed", None, ""),
        ({"command": "exit 3", "shell": True}, "failed", "exit_code", "exit code 3"),
        ({"call": "json:loads", "args": ["{"]}, "error", "exception", "JSONDecodeError"),
        ({"call": "no.such:thing"}, "error", "setup", "No module named"),
        ({"duration": 60.0, "timeout": 0.3}, "error", "timeout", "timeout: still running after 0.3 s"),
        ({"requirements": {"gpu": "h100"}}, "error", "unsatisfiable", "no node fits gpu=h100: nearest is"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_test_never_raises(
    runner: DistributedTestRunner, test: dict[str, Any], status: str, reason: str | None, said: str
) -> None:
    result = run(runner.run_test({"id": f"{status}-{reason}", **test}))

    assert (status, reason) == (result.status, result.reason)
    assert said in (result.error or "")


def test_one_attempt_is_made_where_no_retry_is_asked_for(runner: DistributedTestRunner) -> None:
    assert 1 == run(runner.run_test({"id": "once", "command": ["false"], "max_retries": 2})).attempts


def test_retries_are_made_up_to_the_number_that_is_given(runner: DistributedTestRunner) -> None:
    result = run(runner.run_test_with_retry({"id": "again", "command": ["false"], "max_retries": 2}))

    assert ("failed", 3, False) == (result.status, result.attempts, result.flaky)


def test_a_test_that_passes_when_tried_again_is_flaky(runner: DistributedTestRunner) -> None:
    line = 'test "$PULSEQ_ATTEMPT" = 2'
    test = {"id": "flaky", "command": line, "shell": True, "max_retries": 3}
    result = run(runner.run_test_with_retry(test))

    assert ("passed", 2, True) == (result.status, result.attempts, result.flaky)


def test_the_same_test_can_be_run_again_and_again(runner: DistributedTestRunner) -> None:
    results = [run(runner.run_test({"id": "same"})) for _ in range(2)]

    assert ["passed", "passed"] == [result.status for result in results]
    assert 2 == len({result.run_id for result in results})


def test_a_result_is_in_the_journal_when_it_is_returned(runner: DistributedTestRunner, home: Path) -> None:
    result = run(runner.run_test({"id": "journalled"}))
    record = replay(journal_path(home, result.run_id))

    assert "passed" == record.tests["journalled", ""].closed.status  # type: ignore[union-attr]


def test_a_metric_that_a_test_owes_is_warned_of(runner: DistributedTestRunner) -> None:
    result = run(runner.run_test({"id": "owes", "command": "true", "metrics": ["response_time", "throughput"]}))

    assert 1 == len(result.warnings)
    assert "throughput" in result.warnings[0]


def test_fifty_tests_at_once_all_have_their_verdicts(runner: DistributedTestRunner) -> None:
    async def main() -> list[TestResult]:
        return await asyncio.gather(*(runner.run_test({"id": f"at once {number}"}) for number in range(50)))

    results = run(main())

    assert [f"at once {number}" for number in range(50)] == [result.test_id for result in results]
    assert {"passed"} == {result.status for result in results}


def test_the_work_is_not_done_in_the_caller_s_thread(runner: DistributedTestRunner) -> None:
    here, everywhere = time.thread_time(), time.process_time()
    for number in range(3):  # the same one: each opens a flow run, a journal and a client
        assert "passed" == run(runner.run_test({"id": "elsewhere"})).status, number

    assert time.thread_time() - here < 0.2 * (time.process_time() - everywhere)


def test_scheduled_tests_are_one_run_with_a_row_each(
    runner: DistributedTestRunner, scheduler: TestScheduler, home: Path
) -> None:
    schedule(scheduler, *({"id": f"row {number}", "requirements": {"lane": False}} for number in range(7)))
    loads = scheduler.get_node_loads()
    results = run(runner.run_tests())

    assert {"a": 4, "b": 3, "lane": 0} == loads
    assert {"a": 0, "b": 0, "lane": 0} == scheduler.get_node_loads()
    assert (7, 100.0) == (len(results), results.get_summary()["pass_rate"])
    until(lambda: (7, 7) == count_rows(home, results[0].run_id), "the database has a row for each")


def count_rows(home: Path, run_id: str) -> tuple[int, int]:
    with Database(home / "results.duckdb").read() as connection:
        query = "SELECT count(*), count(DISTINCT test_id) FROM results WHERE run_id = ?"
        (row,) = connection.execute(query, [run_id]).fetchall()
    return row


def test_an_entry_of_pytest_becomes_its_tests_and_one_result_of_a_single_run(
    runner: DistributedTestRunner, scheduler: TestScheduler, tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text("def test_good(): pass\ndef test_bad(): assert 1 == 2\n")
    entry = {"id": "unit", "pytest": str(tmp_path / "test_it.py"), "python": sys.executable}
    schedule(scheduler, entry)
    results = run(runner.run_tests())
    folded = run(runner.run_test(entry))

    assert ["failed", "passed"] == sorted(result.status for result in results)
    assert ("unit", "failed") == (folded.test_id, folded.status)
    assert "1 of 2 tests did not pass" in (folded.error or "")


def test_a_node_runs_no_more_at_once_than_it_may_and_the_urgent_first(
    runner: DistributedTestRunner, scheduler: TestScheduler
) -> None:
    lane = {"duration": 0.2, "requirements": {"lane": "single"}}
    schedule(scheduler, *({"id": word, "priority": word, **lane} for word in ("low", "medium", "high", "critical")))
    results = sorted(run(runner.run_tests()), key=lambda result: result.timestamp)

    assert ["critical", "high", "medium", "low"] == [result.test_id for result in results]
    ends = [result.timestamp.timestamp() + result.duration for result in results]
    assert all(end <= later.timestamp.timestamp() for end, later in zip(ends, results[1:], strict=False))


def test_all_results_are_aggregated(runner: DistributedTestRunner) -> None:
    aggregator = ResultsAggregator()
    other = DistributedTestRunner(aggregator=aggregator)
    run(other.run_test({"id": "elsewhere"}))

    assert 1 == aggregator.get_summary()["total_tests"]


def test_decisions_are_told_at_debug(
    runner: DistributedTestRunner, scheduler: TestScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pulseq")
    schedule(scheduler, {"id": "told", "requirements": {"lane": "single"}})
    run(runner.run_tests())
    told = [message for message in caplog.messages if message.startswith("told to lane: it has lane=single")]

    assert 1 == len(told)
    assert "not a: wants lane=single, has no lane" in told[0]


def test_a_node_of_a_known_id_is_refused(runner: DistributedTestRunner) -> None:
    with pytest.raises(ValueError, match="node: id: found 'a' again, expected one that no other node has"):
        run(runner.add_node(TestNode("a")))

    assert ["a", "b", "lane"] == list(runner.nodes)


def test_a_node_of_another_machine_is_waited_for_and_not_for_ever(runner: DistributedTestRunner) -> None:
    backend = runner._runs.backend
    with pytest.raises(InfrastructureError, match=r"node 'far' on 'lab\.example' has not joined the scheduler at"):
        run(runner._in_loop(backend.add_node(NodeSpec("far", "lab.example"), patience_seconds=0.05)))

    assert "far" not in runner.nodes


def test_a_port_that_is_taken_is_replaced_and_warned_of(
    runner: DistributedTestRunner, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run(runner.add_node(TestNode("moved", "localhost", taken.getsockname()[1])))
    run(runner.remove_node("moved"))

    assert [True] == [message.startswith("node 'moved': port") for message in caplog.messages if "moved" in message]


def test_a_node_that_is_removed_ends_what_it_runs_and_gets_nothing_more(
    runner: DistributedTestRunner, scheduler: TestScheduler, tmp_path: Path
) -> None:
    run(runner.add_node(TestNode("leaving", capabilities={"door": "open"}, max_concurrent_tests=1)))
    line = f"touch {tmp_path}/begun; while [ ! -e {tmp_path}/done ]; do sleep 0.02; done"
    schedule(
        scheduler,
        {"id": "running", "command": line, "shell": True, "requirements": {"door": "open"}},
        *({"id": f"rest {number}", "duration": 0.05} for number in range(10)),
    )

    async def main() -> list[TestResult]:
        running = asyncio.create_task(runner.run_tests())
        await asyncio.to_thread(until, (tmp_path / "begun").exists, "the test has begun")
        removing = asyncio.create_task(runner.remove_node("leaving"))
        await asyncio.sleep(0)  # its first step: from here on the node is nobody's to use
        assert "leaving" not in runner.nodes
        (tmp_path / "done").touch()
        await removing
        return await running

    results = run(main())

    assert {"passed"} == {result.status for result in results}
    assert ("leaving", 1) == (results[0].node_id, results[0].attempts)
    with pytest.raises(KeyError, match="there is no node 'leaving' to remove"):
        run(runner.remove_node("leaving"))


def test_a_run_that_is_cancelled_ends_its_bodies_and_gives_its_tests_back(
    runner: DistributedTestRunner, scheduler: TestScheduler, tmp_path: Path
) -> None:
    schedule(scheduler, {"id": "long", "command": f"echo $$ > {tmp_path}/pid; exec sleep 600", "shell": True})

    async def main() -> int:
        running = asyncio.create_task(runner.run_tests())
        await asyncio.to_thread(until, lambda: (tmp_path / "pid").exists() and pid_in(tmp_path), "the body runs")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return int(pid_in(tmp_path))

    pid = run(main())

    until(lambda: not psutil.pid_exists(pid), "the body is gone", OUTLIVED_SECONDS)
    assert 1 == scheduler.tests.waiting
    scheduler.tests.begin_run()


def pid_in(place: Path) -> str:
    return (place / "pid").read_text().strip()


def test_two_runners_side_by_side_and_one_keeps_nothing(runner: DistributedTestRunner, home: Path) -> None:
    runs = len(list((home / "runs").iterdir()))

    async def main() -> list[TestResult]:
        config = FrameworkConfig(persist_results=False)
        async with DistributedTestRunner(config=config) as other:
            await other.add_node(TestNode("a"))
            first, second = await asyncio.gather(
                other.run_test({"id": "theirs"}), runner.run_test({"id": "ours", "requirements": {"lane": "single"}})
            )
            return [first, second]

    theirs, ours = run(main())

    assert ("passed", "a") == (theirs.status, theirs.node_id)
    assert ("passed", "lane") == (ours.status, ours.node_id)
    assert len(list((home / "runs").iterdir())) <= runs + 1
    assert not (home / "runs" / theirs.run_id).exists()
