"""Each slot is to a suite what a worker of `pytest -n` is: its name, what it is given, what it gives back."""

from __future__ import annotations

import os
from typing import Any

import pytest

both_isolations = pytest.mark.parametrize("isolation", ["fork", "interpreter"])

#: Two tests that can end only while both run: each opens its end of a pipe, which waits for the other end.
MEETING = """
    import os, pytest
    import conftest
    @pytest.mark.parametrize("mode", ["w", "r"])
    def test_meets(mode):
        open("meeting", mode).close()
        with open("log", "a") as log:
            log.write(f"{os.environ['PYTEST_XDIST_WORKER']} has {conftest.NAME}\\n")
"""


def meeting(suite: Any, conftest: str) -> Any:
    """A suite whose two tests run side by side and note the `NAME` that its conftest.py has in their workers."""
    folder = suite({"conftest.py": conftest, "test_meeting.py": MEETING})
    os.mkfifo(folder.path / "meeting")
    return folder


@pytest.mark.system
@pytest.mark.parametrize(
    "read",
    [
        'os.environ.get("PYTEST_XDIST_WORKER", "master")',
        'os.environb.get(b"PYTEST_XDIST_WORKER", b"").decode()',
        'os.path.expandvars("$PYTEST_XDIST_WORKER")',
        'os.environ["PYTEST_XDIST_WORKER"] if "PYTEST_XDIST_WORKER" in os.environ else "master"',
    ],
)
def test_a_suite_that_asks_for_its_worker_at_import_gets_interpreters(read: str, suite: Any) -> None:
    folder = meeting(suite, f"import os\nNAME = {read}\n")
    run = folder.run(slots=2, pack=1)
    reason = "PYTEST_XDIST_WORKER is read while the suite is imported (conftest.py:2)"
    assert ("interpreter", reason) == (run.collection.isolation, run.collection.isolation_reason)
    assert ["gw0 has gw0", "gw1 has gw1"] == sorted(folder.log())


@pytest.mark.system
@pytest.mark.parametrize(
    ("hook", "read"),
    [("pytest_configure(config)", '["workerid"]'), ("pytest_sessionstart(session)", '.get("workerid")')],
)
def test_a_hook_that_asks_for_its_worker_before_the_first_test_gets_interpreters(
    hook: str, read: str, suite: Any
) -> None:
    config = "config" if "configure" in hook else "session.config"
    conftest = f"""
        def {hook}:
            global NAME
            NAME = {config}.workerinput{read} if hasattr({config}, "workerinput") else "master"
    """
    folder = meeting(suite, conftest)
    run = folder.run(slots=2, pack=1)
    reason = "config.workerinput['workerid'] is read while the suite is imported (conftest.py:4)"
    assert ("interpreter", reason) == (run.collection.isolation, run.collection.isolation_reason)
    assert ["gw0 has gw0", "gw1 has gw1"] == sorted(folder.log())


@pytest.mark.system
@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import os\nNAME = f'shop_{os.getpid()}'\n", "a name from os.getpid() is made"),
        ("from uuid import uuid4\nNAME = uuid4()\n", "a random name is made"),
        ("import secrets\nNAME = secrets.token_hex(8)\n", "a random name is made"),
        ("from tempfile import mkdtemp\nNAME = mkdtemp()\n", "a temporary directory is made"),
        ("import socket\nsocket.socket().bind(('127.0.0.1', 0))\nNAME = object()\n", "a bound socket is made"),
        ("import os\nENV = os.environ.copy()\nNAME = object()\n", "the worker's name is kept in conftest.ENV"),
    ],
    ids=["process id", "uuid", "token", "directory", "port", "copied environment"],
)
def test_what_a_suite_makes_for_itself_at_import_is_each_slots_own(source: str, what: str, suite: Any) -> None:
    folder = meeting(suite, source)
    run = folder.run(slots=2, pack=1)
    assert "interpreter" == run.collection.isolation
    assert (run.collection.isolation_reason or "").startswith(f"{what} ")
    if "object" not in source:
        assert 2 == len({line.split()[-1] for line in folder.log()})


@pytest.mark.system
def test_a_test_file_that_asks_for_its_worker_at_import_gets_interpreters(suite: Any) -> None:
    body = "import os\ndef test_own(name=os.environ['PYTEST_XDIST_WORKER']):\n    assert name == 'gw0'\n"
    run = suite({"sub/test_own.py": body}).run()
    assert "(sub/test_own.py:2)" in (run.collection.isolation_reason or "")
    assert {"test_own": "passed"} == run.verdicts()


def test_who_asks_whether_it_is_a_worker_can_be_forked(suite: Any) -> None:
    conftest = """
        import os, subprocess, sys
        IN_A_WORKER = "PYTEST_XDIST_WORKER" in os.environ
        COUNT = os.environ.get("PYTEST_XDIST_WORKER_COUNT")
        subprocess.run([sys.executable, "-c", ""], env={**os.environ, "MORE": "1"}, check=True)
        def pytest_configure(config):
            config.is_worker = hasattr(config, "workerinput")
    """
    body = """
        import conftest
        def test_is_one(pytestconfig):
            assert (conftest.IN_A_WORKER, conftest.COUNT, pytestconfig.is_worker) == (True, "1", True)
    """
    run = suite({"conftest.py": conftest, "test_is.py": body}).run()
    assert ("fork", None) == (run.collection.isolation, run.collection.isolation_reason)
    assert {"test_is_one": "passed"} == run.verdicts()


@both_isolations
def test_a_test_has_its_workers_name_and_the_number_of_all(isolation: str, suite: Any) -> None:
    conftest = """
        import os
        class Name:
            def __str__(self):
                given = self.config.workerinput
                return " ".join([given["workerid"], str(given["workercount"]), given["testrunuid"],
                    os.environ["PYTEST_XDIST_WORKER_COUNT"], os.environ["PYTEST_XDIST_TESTRUNUID"]])
        NAME = Name()
        def pytest_configure(config): NAME.config = config
    """
    folder = meeting(suite, conftest)
    folder.run(slots=2, pack=1, isolation=isolation)
    assert [f"{worker} has {worker} 2 run-1 2 run-1" for worker in ("gw0", "gw1")] == sorted(folder.log())


def once_a_run(scope: str, body: str) -> dict[str, str]:
    """A suite with the recipe for what is to be made once for all workers of a run; `body` makes it in `place`."""
    conftest = f"""
        import contextlib, fcntl, json, os, pytest
        @contextlib.contextmanager
        def locked(path):
            with open(path, "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        def note(text):
            with open("log", "a") as log: log.write(text + "\\n")
        @pytest.fixture(scope="{scope}")
        def service(tmp_path_factory):
            {body}
    """
    meets = """
        import pytest
        @pytest.mark.parametrize("mode", ["w", "r"])
        def test_meets(mode, service):
            open("meeting", mode).close()
            assert service == {"port": 8123}
    """
    return {"conftest.py": conftest, "test_a.py": meets, "test_b.py": meets}


MADE_ONCE = """
            place = tmp_path_factory.getbasetemp().parent / "service.json"
            with locked(f"{place}.lock"):
                if not place.is_file():
                    note("made")
                    place.write_text(json.dumps({"port": 8123}))
            return json.loads(place.read_text())
"""

#: The one who comes last, of all who use it, takes it down.
COUNTED = """
            place = tmp_path_factory.getbasetemp().parent / "users"
            with locked(f"{place}.lock"):
                users = int(place.read_text()) if place.is_file() else 0
                if not users: note("up")
                place.write_text(str(users + 1))
            yield {"port": 8123}
            with locked(f"{place}.lock"):
                users = int(place.read_text()) - 1
                place.write_text(str(users))
                if not users: note("down")
"""


@both_isolations
@pytest.mark.parametrize(("body", "expected"), [(MADE_ONCE, ["made"]), (COUNTED, ["up", "down"])])
def test_what_a_lock_guards_is_made_once_for_all_workers(
    body: str, expected: list[str], isolation: str, suite: Any
) -> None:
    folder = suite(once_a_run("session", body))
    os.mkfifo(folder.path / "meeting")
    run = folder.run(slots=2, pack=1, isolation=isolation)
    assert {"passed": 4} == run.counts()
    assert expected == folder.log()


def test_the_next_run_makes_it_again(suite: Any) -> None:
    folder = suite(once_a_run("session", MADE_ONCE))
    os.mkfifo(folder.path / "meeting")
    folder.run(slots=2, pack=1)
    folder.run(slots=2, pack=1)
    assert ["made", "made"] == folder.log()


#: Each node's hooks, in the controller, note what they hear; a test notes what its worker was given.
NODES = """
    import pytest
    def note(*words):
        with open("log", "a") as log: log.write(" ".join(map(str, words)) + "\\n")
    def pytest_configure(config):
        if not hasattr(config, "workerinput"):
            config.token = {"id": 7, "names": ("a", "b"), "raw": b"\\xff"}
    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(node):
        node.workerinput["token"] = node.config.token
        node.workerinput["database"] = f"shop_{node.gateway.id}"
    @pytest.fixture(scope="session")
    def given(request):
        return request.config.workerinput
"""
BACK = """
    def pytest_sessionfinish(session):
        config = session.config
        if hasattr(config, "workerinput"):
            config.workeroutput["checked"] = {config.workerinput["database"]: ran}
    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(node, error):
        note(node.gateway.id, error, node.workeroutput["checked"], node.workeroutput["exitstatus"])
    ran = []
    def pytest_runtest_teardown(item): ran.append(item.name)
"""


@both_isolations
def test_workers_get_what_configure_node_gives_them(isolation: str, suite: Any) -> None:
    body = """
        def test_given(given):
            assert given["token"] == {"id": 7, "names": ("a", "b"), "raw": b"\\xff"}
            assert given["database"] == "shop_" + given["workerid"]
    """
    run = suite({"conftest.py": NODES, "test_given.py": body}).run(isolation=isolation)
    assert {"test_given": "passed"} == run.verdicts()


@pytest.mark.system
def test_hooks_for_each_node_get_interpreters(suite: Any) -> None:
    run = suite({"conftest.py": NODES, "test_a.py": "def test_a(): pass\n"}).run()
    reason = "conftest.py has pytest_configure_node"
    assert ("interpreter", reason) == (run.collection.isolation, run.collection.isolation_reason)


@both_isolations
def test_the_controller_gets_back_what_workers_put_into_their_output(isolation: str, suite: Any) -> None:
    meets = """
        import pytest
        @pytest.mark.parametrize("mode", ["w", "r"])
        def test_meets(mode): open("meeting", mode).close()
    """
    folder = suite({"conftest.py": NODES + BACK, "test_meets.py": meets})
    os.mkfifo(folder.path / "meeting")
    folder.run(slots=2, pack=1, isolation=isolation)
    expected = [f"gw{n} None {{'shop_gw{n}': ['test_meets[{mode}]']}} 0" for n, mode in enumerate("wr")]
    swapped = [f"gw{n} None {{'shop_gw{n}': ['test_meets[{mode}]']}} 0" for n, mode in enumerate("rw")]
    assert sorted(folder.log()) in (expected, swapped)


@both_isolations
def test_a_worker_that_crashed_is_told_as_such_and_has_no_output(isolation: str, suite: Any) -> None:
    down = """
    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(node, error):
        note(node.gateway.id, bool(error), hasattr(node, "workeroutput"), node.workerinput["database"])
    """
    body = "import os\ndef test_crash(): os._exit(1)\ndef test_after(given): assert given['token']['id'] == 7\n"
    folder = suite({"conftest.py": NODES + down, "test_crash.py": body})
    run = folder.run(isolation=isolation)
    assert {"test_crash": "error", "test_after": "passed"} == run.verdicts()
    assert ["gw0 True False shop_gw0", "gw0 False True shop_gw0"] == folder.log()


def test_both_views_of_the_environment_stay_one(suite: Any) -> None:
    body = """
        import os
        os.environ["AT_IMPORT"] = "1"
        def test_views():
            os.environ["IN_A_TEST"] = "2"
            os.environb[b"IN_BYTES"] = b"3"
            assert (os.environb[b"AT_IMPORT"], os.environb[b"IN_A_TEST"], os.environ["IN_BYTES"]) == (b"1", b"2", "3")
    """
    run = suite({"test_views.py": body}).run()
    assert ("fork", {"test_views": "passed"}) == (run.collection.isolation, run.verdicts())
