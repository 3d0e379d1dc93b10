"""A suite may stop its clocks or swap the standard library: what is measured, waited for and told stays true."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pulseq.models import Reason
from tests.promises import OUTLIVED_SECONDS

both_isolations = pytest.mark.parametrize("isolation", ["fork", "interpreter"])

#: Stops all clocks at a moment of 2020, as long as it is entered.
STOPPED = """
    import contextlib, time
    from unittest import mock
    CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "time_ns", "monotonic_ns", "perf_counter_ns")
    @contextlib.contextmanager
    def stopped(at=1577836800):
        with contextlib.ExitStack() as stack:
            for name in CLOCKS:
                stack.enter_context(mock.patch.object(time, name, lambda: at))
            yield
"""
STOPPING = {
    "a module": """
        import pytest, time
        from stopped import stopped
        @pytest.fixture(scope="module", autouse=True)
        def past():
            with stopped(): yield
        @pytest.mark.parametrize("n", range(3))
        def test_quick(n): assert time.gmtime(time.time()).tm_year == 2020
    """,
    "a class": """
        import pytest, time
        from stopped import stopped
        class TestPast:
            @pytest.fixture(scope="class", autouse=True)
            def past(self):
                with stopped(): yield
            @pytest.mark.parametrize("n", range(3))
            def test_quick(self, n): assert time.gmtime(time.time()).tm_year == 2020
    """,
    "setUpClass": """
        import time, unittest
        from stopped import stopped
        class TestPast(unittest.TestCase):
            @classmethod
            def setUpClass(cls): cls.enterClassContext(stopped())
            def test_one(self): self.assertEqual(2020, time.gmtime(time.time()).tm_year)
            def test_two(self): self.assertEqual(2020, time.gmtime(time.time()).tm_year)
            def test_three(self): self.assertEqual(2020, time.gmtime(time.time()).tm_year)
    """,
    "good": """
        import pytest, time
        from stopped import stopped
        FOREVER = stopped()
        def test_stops(): FOREVER.__enter__()
        @pytest.mark.parametrize("n", range(2))
        def test_quick(n): assert time.gmtime(time.time()).tm_year == 2020
    """,
    "import": """
        import pytest, time
        from stopped import stopped
        FOREVER = stopped()
        FOREVER.__enter__()
        @pytest.mark.parametrize("n", range(3))
        def test_quick(n): assert time.gmtime(time.time()).tm_year == 2020
    """,
    "the future": """
        import pytest, time
        from stopped import stopped
        @pytest.fixture(scope="session", autouse=True)
        def future():
            with stopped(32503680000): yield
        @pytest.mark.parametrize("n", range(3))
        def test_quick(n): assert time.gmtime(time.time()).tm_year == 3000
    """,
}


@pytest.mark.parametrize(
    ("how", "isolation"), [*((how, "fork") for how in STOPPING), ("a module", "interpreter"), ("good", "interpreter")]
)
def test_quick_tests_pass_and_are_measured_though_clocks_stand_still_for(how: str, isolation: str, suite: Any) -> None:
    before = time.time()
    run = suite({"stopped.py": STOPPED, "test_past.py": STOPPING[how]}).run(pack=2, timeout=30, isolation=isolation)
    after = time.time()
    assert {"passed": 3} == run.counts()
    assert [] == [result.started_at for result in run.results if not before <= result.started_at <= after]
    assert [] == [result.duration for result in run.results if not 0 < result.duration < after - before]


@both_isolations
def test_a_hang_is_ended_in_time_though_clocks_stand_still(isolation: str, suite: Any) -> None:
    body = """
        import pytest, signal
        from stopped import stopped
        @pytest.fixture(scope="module", autouse=True)
        def past():
            with stopped(): yield
        def test_hang(): signal.pause()
        def test_after(): pass
    """
    run = suite({"stopped.py": STOPPED, "test_past.py": body}).run(timeout=1.0, isolation=isolation)
    assert {"test_hang": "error", "test_after": "passed"} == run.verdicts()
    assert Reason.TIMEOUT == run["test_hang"].reason
    assert 1.0 <= run["test_hang"].duration <= 1 + OUTLIVED_SECONDS


def test_clocks_that_stand_still_from_import_on_get_interpreters(suite: Any) -> None:
    run = suite({"stopped.py": STOPPED, "test_past.py": STOPPING["import"]}).run()
    assert "interpreter" == run.collection.isolation
    assert "the standard library is patched (time." in (run.collection.isolation_reason or "")
    assert {"passed": 3} == run.counts()


@both_isolations
def test_a_freezer_of_its_users_stops_what_a_test_sees_alone(isolation: str, suite: Any) -> None:
    pytest.importorskip("freezegun")
    body = """
        import pytest, time
        from freezegun import freeze_time
        @pytest.fixture(scope="module", autouse=True)
        def past():
            with freeze_time("2020-01-01"): yield
        @pytest.mark.parametrize("n", range(3))
        def test_quick(n): assert time.gmtime().tm_year == 2020
    """
    run = suite({"test_frozen.py": body}).run(pack=2, timeout=30, isolation=isolation)
    assert {"passed": 3} == run.counts()


#: Swaps what gevent does, for functions that note where they are called from.
PATCHES = """
    import os, select, signal, socket, subprocess, threading, time
    def swapped(module, name):
        original = getattr(module, name)
        def function(*arguments, **options):
            import sys
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if caller.startswith("_pulseq_runtime"):
                raise RuntimeError(f"{module.__name__}.{name} of the suite is called by {caller}")
            return original(*arguments, **options)
        setattr(module, name, function)
    for module, names in {
        os: ("read", "write", "fork", "waitpid", "dup2", "close", "stat", "truncate", "open"),
        select: ("select", "poll"),
        signal: ("signal", "getsignal"),
        socket: ("socketpair", "create_connection", "recv_fds"),
        time: ("sleep", "time", "monotonic"),
    }.items():
        for name in names: swapped(module, name)
    del select.epoll
    class Socket(socket.socket):
        def recv(self, *arguments): raise RuntimeError("the suite's socket is used")
    socket.socket = Socket
"""
LIVELY = """
    import os, queue, subprocess, threading, time, pytest
    def test_process(): assert subprocess.run(["true"]).returncode == 0
    def test_thread():
        told = queue.Queue()
        threading.Thread(target=told.put, args=(1,)).start()
        assert told.get(timeout=30) == 1
    def test_fails(): assert 0
    def test_crash(): os._exit(3)
    def test_after(tmp_path): (tmp_path / "x").write_text("y")
"""
LIVELY_VERDICTS = {
    "test_process": "passed",
    "test_thread": "passed",
    "test_fails": "failed",
    "test_crash": "error",
    "test_after": "passed",
}


@both_isolations
@pytest.mark.parametrize("where", ["conftest.py", "plug.py"])
def test_a_library_that_is_swapped_at_import_is_the_suites_own(where: str, isolation: str, suite: Any) -> None:
    args = ("-p", "plug") if where == "plug.py" else ()
    folder = suite({where: PATCHES, "test_lively.py": LIVELY})
    run = folder.run(pack=2, isolation=isolation, args=args, env=(("PYTHONPATH", str(folder.path)),))
    assert LIVELY_VERDICTS == run.verdicts()


def test_a_library_that_is_swapped_at_import_gets_interpreters(suite: Any) -> None:
    run = suite(
        {"conftest.py": "import select\nselect.select = lambda *given: [[], [], []]\n", "test_l.py": LIVELY}
    ).run()
    reason = "the standard library is patched (select.select)"
    assert ("interpreter", reason) == (run.collection.isolation, run.collection.isolation_reason)
    assert LIVELY_VERDICTS == run.verdicts()


def test_a_library_that_is_swapped_by_a_test_is_no_reason(suite: Any) -> None:
    body = """
        import select, time
        def test_swaps(): time.sleep = time.monotonic = select.select = select.poll = None
        def test_after(): assert time.sleep is None
    """
    run = suite({"test_swaps.py": body}).run(pack=1, timeout=30)
    assert ("fork", {"test_swaps": "passed", "test_after": "passed"}) == (run.collection.isolation, run.verdicts())


@pytest.mark.parametrize("isolation", ["auto", "interpreter"])
def test_greenlets_run_side_by_side_in_a_patched_suite(isolation: str, suite: Any) -> None:
    pytest.importorskip("gevent")
    body = """
        import gevent, time
        def test_meets():
            told = []
            gevent.joinall([gevent.spawn(lambda n=n: (time.sleep(0), told.append(n))) for n in range(3)])
            assert sorted(told) == [0, 1, 2]
    """
    conftest = "from gevent import monkey\nmonkey.patch_all()\n"
    run = suite({"conftest.py": conftest, "test_meets.py": body, "test_lively.py": LIVELY}).run(isolation=isolation)
    assert {**LIVELY_VERDICTS, "test_meets": "passed"} == run.verdicts()


@both_isolations
def test_a_default_timeout_of_sockets_is_the_suites_own(isolation: str, suite: Any) -> None:
    conftest = "import socket\nsocket.setdefaulttimeout(0.001)\n"
    folder = suite({"conftest.py": conftest, "test_lively.py": LIVELY})
    assert LIVELY_VERDICTS == folder.run(slots=2, pack=1, isolation=isolation).verdicts()
