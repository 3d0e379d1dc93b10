"""A runner is a worker of its own: fixtures, temporary directories, metrics, late teardowns."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from pulseq.models import AttemptResult, Reason, Status
from pulseq.pytest_sessions import Following, PytestOrder

LATE = """
import pytest
@pytest.fixture(scope="module")
def shared():
    yield
    print("on the way out")
    raise RuntimeError("no way back")
def test_first(shared): pass
def test_last(shared): pass
"""


def test_a_module_teardown_that_fails_at_the_end_is_the_last_tests_error(suite: Any) -> None:
    run = suite({"test_late.py": LATE}).run()
    assert run.verdicts() == {"test_first": "passed", "test_last": "error"}
    last = run["test_last"]
    assert (last.reason, last.attempt, run.late) == (Reason.SETUP, 1, [])
    assert "no way back" in (last.error or "")
    assert "on the way out" in last.output


def test_a_module_teardown_that_fails_between_two_batches_blames_the_test_before(suite: Any) -> None:
    run = suite({"test_late.py": LATE, "test_next.py": "def test_next(): pass\n"}).run(pack=2)
    assert run.verdicts() == {"test_first": "passed", "test_last": "error", "test_next": "passed"}


def test_a_module_teardown_inside_a_batch_is_in_the_verdict(suite: Any) -> None:
    run = suite({"test_late.py": LATE, "test_next.py": "def test_next(): pass\n"}).run()
    assert (run["test_last"].status, run["test_last"].reason, run.late) == (Status.ERROR, Reason.SETUP, [])


def test_a_failure_stays_one_when_its_teardown_fails_too(suite: Any) -> None:
    run = suite({"test_late.py": LATE + "def test_wrong(shared): assert 0\n"}).run()
    wrong = run["test_wrong"]
    assert (wrong.status, wrong.reason) == (Status.FAILED, Reason.ASSERTION)
    assert "no way back" in (wrong.error or "")
    assert "assert 0" in (wrong.error or "")


def test_the_controller_alone_sums_up(suite: Any) -> None:
    folder = suite(
        {
            "conftest.py": """
                import os
                WORKER = os.environ.get("PYTEST_XDIST_WORKER", "controller")
                def note(text): open("log", "a").write(f"{text} {WORKER}\\n")
                def pytest_sessionfinish(): note("finish")
                def pytest_terminal_summary(): note("summary")
            """,
            "test_one.py": "def test_one(): pass\n",
        }
    )
    folder.run(isolation="fork")
    assert folder.log() == ["finish gw0", "finish controller", "summary controller"]


def test_what_a_suite_does_at_exit_is_done(suite: Any) -> None:
    folder = suite(
        {
            "test_exit.py": """
                import atexit, threading
                def note(text): open("log", "a").write(text + "\\n")
                def last():
                    threading.main_thread().join()
                    note("thread")
                def test_exit():
                    atexit.register(note, "atexit")
                    threading.Thread(target=last).start()
            """
        }
    )
    folder.run()
    assert folder.log() == ["thread", "atexit"]


def test_what_decided_is_the_last_of_what_is_told(suite: Any) -> None:
    text = """
        import pytest
        @pytest.fixture
        def own():
            yield
            raise RuntimeError("no way back")
        def test_wrong(own): assert 0
    """
    error = suite({"test_own.py": text}).run()["test_wrong"].error or ""
    assert error.index("no way back") < error.index("assert 0")


def test_fixtures_are_torn_down_once_and_in_order(suite: Any) -> None:
    folder = suite(
        {
            "conftest.py": """
                import pytest
                def note(text): open("log", "a").write(text + "\\n")
                def scoped(scope):
                    @pytest.fixture(scope=scope, name=scope + "_wide", autouse=True)
                    def fixture():
                        note("+" + scope); yield; note("-" + scope)
                    return fixture
                a, b, c = scoped("session"), scoped("module"), scoped("function")
                def pytest_sessionfinish(session):
                    if hasattr(session.config, "workerinput"): note("finish")
            """,
            "test_one.py": "def test_1(): pass\ndef test_2(): pass\n",
            "test_two.py": "def test_3(): pass\n",
        }
    )
    folder.run(pack=1)
    function = ["+function", "-function"]
    one = ["+module", *function, *function, "-module"]
    two = ["+module", *function, "-module"]
    assert folder.log() == ["+session", *one, *two, "-session", "finish"]


def test_numbers_become_metrics(suite: Any) -> None:
    body = """
    import pulseq
    def test_numbers(record_property):
        record_property("queries", 3)
        record_property("ratio", 0.5)
        record_property("flag", True)
        record_property("text", "9")
        record_property("wrong", float("inf"))
        pulseq.metric("own", 7)
    def test_none(): pass
    """
    run = suite({"test_metrics.py": body}).run()
    own = {"duration", "response_time", "memory_usage", "cpu_usage"}
    reported = {name: value for name, value in run["test_numbers"].metrics.items() if name not in own}
    assert reported == {"queries": 3.0, "ratio": 0.5, "own": 7.0}
    assert run["test_numbers"].warnings == ("the property 'wrong' is inf: a metric is a finite number",)
    assert set(run["test_none"].metrics) == own


def test_a_body_sees_its_names_and_none_of_ours(suite: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    monkeypatch.setenv("DASK_X", "secret")
    body = """
    import os, sys
    def test_names():
        assert os.environ["PULSEQ_TEST_ID"] == "test_names.py::test_names"
        assert os.environ["PULSEQ_ATTEMPT"] == "1"
        assert os.environ["PULSEQ_RUN_ID"] == "run-1"
        assert os.environ["PULSEQ_NODE_ID"] == "node1"
        assert os.environ["MINE"] == "yes"
        assert not [name for name in os.environ if name.startswith(("PREFECT_", "DASK_"))]
        assert sys.path[0] == os.path.dirname(__file__)
        assert not [entry for entry in sys.path if entry.endswith("runtime")]
        assert "wire" not in sys.modules
        assert sys.modules["__main__"].__file__.endswith("pytest/__main__.py")
    """
    run = suite({"test_names.py": body}).run(env=(("MINE", "yes"),))
    assert run["test_names"].error is None


def test_runners_do_not_share_temporary_directories(suite: Any) -> None:
    body = """
    import tempfile, pytest
    @pytest.mark.parametrize("n", range(4))
    def test_places(n, tmp_path, tmp_path_factory, worker):
        with open("log", "a") as log:
            log.write(f"{worker} {tmp_path_factory.getbasetemp()} {tempfile.gettempdir()}\\n")
    """
    conftest = "import pytest\n@pytest.fixture\ndef worker(request): return request.config.workerinput['workerid']\n"
    folder = suite({"test_places.py": body, "conftest.py": conftest})
    folder.run(pack=1, fresh=True, slots=2)
    places = [tuple(line.split()) for line in folder.log()]
    assert {worker for worker, _, _ in places} <= {"gw0", "gw1"}
    assert len({base for _, base, _ in places}) == 4
    assert len({os.path.dirname(base) for _, base, _ in places}) == 1
    assert len({temporary for _, _, temporary in places}) == 4


def test_spawned_children_start_as_under_pytest(suite: Any) -> None:
    body = """
    import multiprocessing, os
    def test_spawn():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(os.getpid) != os.getpid()
    """
    assert suite({"test_spawn.py": body}).run().verdicts() == {"test_spawn": "passed"}


def test_an_item_that_runs_again_in_the_same_process_starts_anew(suite: Any) -> None:
    body = """
    calls = []
    def test_once(record_property):
        calls.append(1)
        record_property(f"call {len(calls)}", 1)
        print("word")
    """
    folder = suite({"test_again.py": body})
    results: list[AttemptResult] = []

    async def more_comes() -> Following:
        return Following(more=True)

    async def main() -> None:
        session = folder.session()
        for attempt in (1, 2):
            orders = [PytestOrder("t", "", "test_again.py::test_once", attempt=attempt)]
            await session.run_items(orders, on_start=lambda order: None, on_result=results.append, ask_next=more_comes)
        await session.close()

    asyncio.run(main())
    assert [result.attempt for result in results] == [1, 2]
    assert [sorted(name for name in result.metrics if "call" in name) for result in results] == [["call 1"], ["call 2"]]
    assert [result.output.count("word") for result in results] == [1, 1]
