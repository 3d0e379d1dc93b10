"""A suite to which a fork would not be a new interpreter is told by name, and none that only looks like one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_unfit import Reads, other_threads
from pulseq.execution.runtime.pytest_xdist import WORKER_VARIABLE

PLAIN = "def test_plain(): pass\n"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    """Notices what the test reads of its environment, in which there is a worker's name."""
    monkeypatch.setenv(WORKER_VARIABLE, "gw0")
    noticing = Reads()
    noticing.watch()
    yield noticing
    noticing.stop()


@pytest.mark.parametrize(
    "read",
    [
        lambda: os.environ[WORKER_VARIABLE],
        lambda: os.environ.get(WORKER_VARIABLE),
        lambda: os.getenv(WORKER_VARIABLE),
        lambda: os.environ.setdefault(WORKER_VARIABLE, "master"),
        lambda: [os.environ[name] for name in os.environ if name == WORKER_VARIABLE],
        lambda: (dict(os.environ), os.environ[WORKER_VARIABLE]),
        lambda: os.environb[os.fsencode(WORKER_VARIABLE)],
    ],
    ids=["item", "get", "getenv", "setdefault", "found", "after a copy", "bytes"],
)
def test_a_read_of_the_workers_name_is_noticed_with_its_place(read: Any, reads: Reads) -> None:
    read()
    place = f"{os.path.relpath(__file__)}:{read.__code__.co_firstlineno}"
    assert place == reads.reader


def test_to_ask_whether_this_is_a_worker_at_all_is_no_read_of_its_name(reads: Reads) -> None:
    assert WORKER_VARIABLE in os.environ
    assert reads.reader is None


@pytest.mark.parametrize(
    "read",
    [
        lambda: os.environ.copy(),
        lambda: dict(os.environ),
        lambda: {**os.environ},
        lambda: os.environ | {"A": "b"},
        lambda: list(os.environ.items()),
        lambda: sorted(os.environ),
        lambda: (os.environ["PATH"], os.environ.get("PYTEST_XDIST_WORKER_COUNT")),
        lambda: os.environ.update({"PULSEQ_UNUSED": "1"}),
        lambda: subprocess.run([sys.executable, "-c", ""], env={**os.environ}, check=True),
        lambda: subprocess.run([sys.executable, "-c", ""], env=os.environ, check=True),
    ],
    ids=["copy", "dict", "stars", "or", "items", "names", "others", "update", "child", "child of environ"],
)
def test_a_copy_of_the_whole_environment_is_no_read_of_a_name(read: Any, reads: Reads) -> None:
    read()
    assert reads.reader is None


def test_the_first_to_read_is_the_one_that_is_told(reads: Reads) -> None:
    first = sys._getframe().f_lineno + 1
    os.environ.get(WORKER_VARIABLE)
    os.environ.get(WORKER_VARIABLE)
    assert (reads.reader or "").endswith(f":{first}")


def test_nothing_is_noticed_after_the_stop(reads: Reads) -> None:
    reads.stop()
    os.environ.get(WORKER_VARIABLE)
    assert reads.reader is None


def test_what_was_set_meanwhile_stays_in_text_and_in_bytes(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEQ_UNUSED", "set")
    monkeypatch.setitem(os.environb, b"PULSEQ_OTHER", b"too")
    reads.stop()
    assert ("set", b"set") == (os.environ["PULSEQ_UNUSED"], os.environb[b"PULSEQ_UNUSED"])
    assert "too" == os.environ["PULSEQ_OTHER"]


def test_the_environment_in_bytes_is_the_same_one_afterwards(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    reads.stop()
    monkeypatch.setenv("PULSEQ_UNUSED", "set")
    assert b"set" == os.environb[b"PULSEQ_UNUSED"]


READ_AT_IMPORT = "import os\nNAME = os.environ.get('PYTEST_XDIST_WORKER')\n"
THREAD = """
    import atexit, threading
    stopped = threading.Event()
    threading.Thread(target=stopped.wait, daemon=True).start()
    def test_plain(): pass
"""
PATCHED = """
    import time
    time.sleep = lambda seconds: None
    def test_plain(): pass
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"conftest.py": READ_AT_IMPORT},
            "PYTEST_XDIST_WORKER is read while the suite is imported (conftest.py:2)",
        ),
        ({"test_thread.py": THREAD}, "threads run after the suite was imported (python"),
        ({"test_patched.py": PATCHED}, "the standard library is patched (time.sleep)"),
        (
            {"conftest.py": "import os\nENV = {**os.environ}\n"},
            "the worker's name is kept in conftest.ENV while the suite is imported",
        ),
        (
            {"conftest.py": "import uuid\nDATABASE = f'shop_{uuid.uuid4().hex}'\n"},
            "a random name is made while the suite is imported (conftest.py:2)",
        ),
        ({"conftest.py": "def pytest_configure_node(node): pass\n"}, "conftest.py has pytest_configure_node"),
        (
            {"conftest.py": "def pytest_configure(config): pass\ndef pytest_unconfigure(config): pass\n"},
            "conftest.py has pytest_unconfigure",
        ),
        (
            {"conftest.py": "def pytest_sessionstart(session): pass\ndef pytest_sessionfinish(session): pass\n"},
            "conftest.py has pytest_sessionfinish",
        ),
        (
            {"plug.py": "def pytest_testnodedown(node): pass\n", "conftest.py": "pytest_plugins = ['plug']\n"},
            "plug has pytest_testnodedown",
        ),
    ],
    ids=["read", "thread", "patch", "copy", "random", "node", "unconfigure", "finish", "plug-in"],
)
def test_slots_are_interpreters_where_forks_would_differ(files: dict[str, str], expected: str, suite: Any) -> None:
    run = suite({"test_plain.py": PLAIN, **files}).run(isolation="auto")
    assert "interpreter" == run.collection.isolation
    assert (run.collection.isolation_reason or "").startswith(expected)
    assert {"test_plain": "passed"} == run.verdicts()


def test_a_thread_that_ends_while_it_is_asked_for_its_name_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    there = other_threads()
    listed = [*os.listdir("/proc/self/task"), "0"]  # no thread has that number
    monkeypatch.setattr(os, "listdir", lambda _: listed)
    assert there == other_threads()


ENDED_THREAD = """
    import os, subprocess, sys, threading
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor() as pool:
        list(pool.map(str, range(3)))
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "-c", ""], env={**os.environ, "A": "b"}, check=True)
    COUNT = len(os.environ.copy())
    def test_plain(): pass
"""


def test_slots_are_forks_where_a_hook_only_sums_up_and_threads_have_ended(suite: Any) -> None:
    files = {
        "test_plain.py": ENDED_THREAD,
        "conftest.py": """
            import os, pytest
            def pytest_sessionfinish(session): pass
            def pytest_terminal_summary(): pass
            @pytest.fixture(autouse=True)
            def name(): return os.environ["PYTEST_XDIST_WORKER"]
        """,
    }
    collection = suite(files).run(isolation="auto").collection
    assert ("fork", None) == (collection.isolation, collection.isolation_reason)


def test_forks_that_are_asked_for_are_taken_whatever_a_suite_does(suite: Any) -> None:
    run = suite({"conftest.py": READ_AT_IMPORT, "test_thread.py": THREAD}).run(isolation="fork")
    assert ("fork", None, ("python",), {"test_plain": "passed"}) == (
        run.collection.isolation,
        run.collection.isolation_reason,
        tuple(name.partition("3")[0] for name in run.collection.threads),
        run.verdicts(),
    )


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_a_loop_of_the_suites_own_is_told_and_none_that_only_surrounds_it(isolation: str, suite: Any) -> None:
    conftest = """
        import pytest
        {mark}
        def pytest_runtestloop(session):
            {body}
    """
    own = conftest.format(mark="", body="return True")
    wrapper = conftest.format(mark="@pytest.hookimpl(hookwrapper=True)", body="yield")
    hijacker = wrapper.replace("yield", "session.config.option.collectonly = True; yield")
    for text, told in ((own, ("conftest.py",)), (wrapper, ()), (hijacker, ("conftest.py",))):
        run = suite({"conftest.py": text, "test_a.py": PLAIN}).run(isolation=isolation)
        assert (told, {"test_plain": "passed"}) == (run.collection.loops, run.verdicts())
