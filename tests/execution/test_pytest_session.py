"""Whatever a suite holds, a session of forks counts it as pytest does, on one slot and on three."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from pulseq.execution import shared_zygote
from pulseq.models import AttemptResult, Reason, Status
from pulseq.pytest_sessions import Following, PytestOrder

SUITES: dict[str, dict[str, str]] = {
    "verdicts": {
        "test_words.py": """
            import pytest
            def test_passes(): pass
            def test_fails(): assert 1 == 2
            def test_raises(): raise KeyError("k")
            @pytest.mark.skip(reason="not now")
            def test_skipped(): pass
            def test_skips_itself(): pytest.skip("nor now")
            @pytest.mark.xfail(reason="known")
            def test_xfails(): assert 0
            @pytest.mark.xfail
            def test_xpasses(): pass
            @pytest.mark.xfail(strict=True)
            def test_xpasses_strictly(): pass
            @pytest.fixture
            def broken(): raise RuntimeError("no fixture")
            def test_with_broken_setup(broken): pass
            @pytest.mark.parametrize("n", range(4))
            def test_many(n): assert n != 2
        """
    },
    "scopes": {
        "conftest.py": """
            import pytest
            @pytest.fixture(scope="session", autouse=True)
            def everywhere(): yield
            @pytest.fixture(scope="package")
            def around(): yield 1
        """,
        "test_scopes.py": """
            import pytest, unittest
            calls = []
            def setup_module(): calls.append("module")
            @pytest.fixture(scope="module")
            def shared(): yield {}
            @pytest.fixture(scope="class", params=["a", "b"])
            def flavour(request): yield request.param
            class TestFlavours:
                def test_one(self, flavour, shared): assert calls == ["module"]
                def test_two(self, flavour, around): assert flavour in "ab"
            class TestOld(unittest.TestCase):
                @classmethod
                def setUpClass(cls): cls.ready = True
                def test_ready(self): self.assertTrue(self.ready)
                def test_wrong(self): self.assertEqual(1, 2)
                @unittest.skip("old")
                def test_old_skip(self): pass
                @unittest.expectedFailure
                def test_expected(self): self.fail("as expected")
        """,
        "test_capture.py": """
            import os, sys
            def test_capsys(capsys):
                print("seen"); assert capsys.readouterr().out == "seen\\n"
            def test_capfd(capfd):
                os.write(1, b"raw"); assert capfd.readouterr().out == "raw"
            def test_tmp_path(tmp_path): (tmp_path / "f").write_text("x")
            def test_monkeypatched(monkeypatch): monkeypatch.setattr(sys, "argv", [])
        """,
    },
    "collection": {
        "test_broken.py": "import does_not_exist_anywhere\n",
        "test_not_here.py": "import pytest\npytest.skip('no device', allow_module_level=True)\n",
        "test_fine.py": "def test_fine(): pass\n",
        "pkg/__init__.py": "",
        "pkg/test_same.py": "def test_same(): pass\n",
        "other/__init__.py": "",
        "other/test_same.py": "def test_same(): assert 0\n",
    },
    "doctests": {
        "pytest.ini": "[pytest]\naddopts = --doctest-modules\n",
        "told.py": '''
            def right():
                """
                >>> 1 + 1
                2
                """
            def wrong():
                """
                >>> 1 + 1
                3
                """
        ''',
    },
    "hooks": {
        "pytest.ini": "[pytest]\naddopts = -p no:doctest\nmarkers = slow\n",
        "conftest.py": """
            import random, pytest
            def pytest_generate_tests(metafunc):
                if "flavour" in metafunc.fixturenames:
                    metafunc.parametrize("flavour", ["sour", "sweet"], ids=str.upper)
            @pytest.hookimpl(hookwrapper=True, trylast=True)
            def pytest_collection_modifyitems(config, items):
                yield
                random.Random(7).shuffle(items)
                config.hook.pytest_deselected(items=items[-1:])
                del items[-1]
            def pytest_itemcollected(item):
                if "b" in item.name:
                    item.add_marker(pytest.mark.skip(reason="b"))
        """,
        **{f"d{n}/test_{n}.py": f"def test_a(flavour): pass\ndef test_b{n}(): pass\n" for n in range(3)},
    },
    "wide parameters": {
        "conftest.py": """
            import pytest
            @pytest.fixture(scope="session", params=["one", "two"])
            def world(request): return request.param
            @pytest.fixture(scope="package", params=[1, 2])
            def land(request): return request.param
        """,
        "a/__init__.py": "",
        "a/test_a.py": "def test_a(world): pass\ndef test_b(land, world): pass\ndef test_c(): pass\n",
        "a/test_d.py": "def test_d(land): pass\ndef test_e(world): assert world != 'two'\n",
        "b/test_f.py": "def test_f(world): pass\ndef test_g(): pass\n",
    },
    "twice the same name": {
        "a/test_same.py": "def test_a(): pass\n",
        "b/test_same.py": "def test_b(): pass\n",
    },
    "importlib": {
        "pytest.ini": "[pytest]\naddopts = --import-mode=importlib\n",
        "a/test_same.py": "def test_a(): pass\n",
        "b/test_same.py": "def test_b(): assert __name__\n",
        "b/conftest.py": "import pytest\n@pytest.fixture(autouse=True)\ndef skips(): pytest.skip('in b')\n",
    },
}


_ITEM = re.compile(r"(\S+::.*) (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b")


@dataclass(frozen=True)
class Plain:
    """What pytest itself makes of a suite: its counts, and the items that it runs in their order."""

    counts: Counter[str]
    items: list[str]


#: What was run already, since several tests compare with it.
_PLAIN: dict[str, Plain] = {}


def plain_pytest(name: str, path: Path) -> Plain:
    """Run a suite, which is in this directory, with pytest alone."""
    if name not in _PLAIN:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        command = [sys.executable, "-m", "pytest", "-v", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
        done = subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        items = [found[1] for line in lines if (found := _ITEM.match(line))]
        _PLAIN[name] = Plain(_counts_on(lines[-1]), list(dict.fromkeys(items)))
    return _PLAIN[name]


def _counts_on(last: str) -> Counter[str]:
    counts = Counter({word: int(count) for count, word in re.findall(r"(\d+) (\w+)", last)})
    words = {"errors": "error", "xpassed": "passed"}
    found: Counter[str] = Counter()
    for word in ("passed", "xpassed", "failed", "skipped", "xfailed", "error", "errors"):
        found[words.get(word, word)] += counts[word]
    return +found


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("name", SUITES)
def test_counts_and_order_are_those_of_pytest(name: str, slots: int, suite: Any) -> None:
    folder = suite(SUITES[name])
    expected = plain_pytest(name, folder.path)
    run = folder.run(slots=slots, pack=2)
    assert expected.counts == run.counts()
    collected = [item.nodeid for item in run.collection.items]
    assert expected.items == collected
    assert sorted(collected) == sorted(run.started)


def test_what_was_not_collected_is_an_error_of_setup(suite: Any) -> None:
    folder = suite({"test_a.py": "def test_a(): pass\n"})
    results: list[AttemptResult] = []

    async def main() -> None:
        session = folder.session()
        orders = [PytestOrder("t1", "", "test_a.py::test_gone"), PytestOrder("t2", "", "test_a.py::test_a")]
        await session.run_items(orders, on_start=lambda order: None, on_result=results.append)
        await session.close()

    asyncio.run(main())
    assert [(result.test_id, result.status, result.reason) for result in results] == [
        ("t1", Status.ERROR, Reason.SETUP),
        ("t2", Status.PASSED, None),
    ]
    assert results[0].error == "pytest collected no item 'test_a.py::test_gone' on this node"


def test_a_stop_ends_the_batch_of_an_order_alone(suite: Any) -> None:
    folder = suite(
        {
            "test_wait.py": """
                import time
                def test_waits(): time.sleep(600)
                def test_next(): pass
                def test_other(): pass
            """
        }
    )
    results: dict[str, tuple[Status, Reason | None]] = {}

    async def main() -> tuple[PytestOrder, ...]:
        session = folder.session(slots=2)
        waits, following, other = (
            PytestOrder(name, "", f"test_wait.py::{name}") for name in ("test_waits", "test_next", "test_other")
        )
        running = asyncio.Event()

        def note(result: AttemptResult) -> None:
            results[result.test_id] = (result.status, result.reason)

        first = asyncio.create_task(
            session.run_items([waits, following], on_start=lambda order: running.set(), on_result=note)
        )
        await running.wait()
        await session.stop(frozenset({waits}), Reason.CANCELLED)
        left = await first
        await session.run_items([other], on_start=lambda order: None, on_result=note)
        await session.close()
        return left

    left = asyncio.run(main())
    assert [order.test_id for order in left] == ["test_next"]
    assert results == {"test_waits": (Status.ERROR, Reason.CANCELLED), "test_other": (Status.PASSED, None)}


def test_a_stop_finds_a_batch_by_any_of_its_orders(suite: Any) -> None:
    folder = suite({"test_wait.py": "import time\ndef test_waits(): time.sleep(600)\n"})
    unknown, waits = (PytestOrder(name, "", f"test_wait.py::{name}") for name in ("test_gone", "test_waits"))
    results: dict[str, Reason | None] = {}

    async def main() -> None:
        session = folder.session()
        begun: set[str] = set()
        running = asyncio.Event()

        def note_start(order: PytestOrder) -> None:
            begun.add(order.test_id)
            if order is waits:
                running.set()

        def note(result: AttemptResult) -> None:
            results[result.test_id] = result.reason

        run = asyncio.create_task(session.run_items([unknown, waits], on_start=note_start, on_result=note))
        await running.wait()
        await session.stop(frozenset({unknown, waits}), Reason.CANCELLED)
        await run
        await session.close()

    asyncio.run(main())
    assert {"test_gone": Reason.SETUP, "test_waits": Reason.CANCELLED} == results


@pytest.mark.parametrize(("seconds", "reasons"), [(0.0, (Reason.INTERNAL, Reason.CRASH)), (0.5, (Reason.CRASH,))])
def test_what_a_dead_keeper_had_not_started_runs_on_another(
    seconds: float, reasons: tuple[Reason, ...], suite: Any
) -> None:
    # One that ends its keeper at once may do so before that could tell of its start.
    kills = "import os, signal, time\ndef test_kills():\n"
    kills += f"    time.sleep({seconds})\n    os.kill(os.getppid(), signal.SIGKILL)\n    signal.pause()\n"
    folder = suite({"test_a.py": f"{kills}def test_later(): pass\n", "test_b.py": "def test_other(): pass\n"})
    nodeids = ("test_a.py::test_kills", "test_a.py::test_later", "test_b.py::test_other")
    results: list[tuple[str, Status, Reason | None]] = []

    async def main() -> tuple[PytestOrder, ...]:
        session = folder.session()
        left = await session.run_items(
            [PytestOrder(nodeid, "", nodeid) for nodeid in nodeids],
            on_start=lambda order: None,
            on_result=lambda result: results.append((result.test_id, result.status, result.reason)),
        )
        await session.close()
        return left

    assert () == asyncio.run(main())
    (killer, status, reason), *others = results
    assert (nodeids[0], Status.ERROR) == (killer, status)
    assert reason in reasons
    assert [(nodeid, Status.PASSED, None) for nodeid in nodeids[1:]] == others


def test_cancelling_a_call_ends_its_runner_and_tells_what_it_ran(suite: Any) -> None:
    folder = suite(
        {
            "test_wait.py": """
                import os, time
                def test_waits():
                    open("pid", "w").write(str(os.getpid()))
                    time.sleep(600)
            """
        }
    )
    results: list[AttemptResult] = []

    async def main() -> None:
        session = folder.session()
        order = PytestOrder("t", "", "test_wait.py::test_waits")
        running = asyncio.Event()
        call = asyncio.create_task(
            session.run_items([order], on_start=lambda order: running.set(), on_result=results.append)
        )
        await running.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        await session.close()

    asyncio.run(main())
    assert [result.reason for result in results] == [Reason.CANCELLED]
    pid = folder.path / "pid"
    assert not pid.exists() or not os.path.exists(f"/proc/{pid.read_text()}")


def test_a_runner_is_kept_for_the_next_batch_with_its_fixtures(suite: Any) -> None:
    folder = suite(
        {
            "test_kept.py": """
                import os, pytest
                @pytest.fixture(scope="session")
                def costly(): open("log", "a").write("setup\\n")
                def test_a(costly): pass
                def test_b(costly): pass
            """
        }
    )
    run = folder.run(pack=1)
    assert (folder.log(), run.verdicts()) == (["setup"], {"test_a": "passed", "test_b": "passed"})


def test_fresh_runs_in_a_new_process_and_tears_it_down(suite: Any) -> None:
    folder = suite(
        {
            "test_fresh.py": """
                import pytest
                @pytest.fixture(scope="session")
                def costly():
                    open("log", "a").write("setup\\n")
                    yield
                    open("log", "a").write("teardown\\n")
                def test_a(costly): pass
                def test_b(costly): pass
            """
        }
    )
    folder.run(pack=1, fresh=True)
    assert folder.log() == ["setup", "teardown", "setup", "teardown"]


def test_a_zygote_that_was_killed_is_replaced_at_the_next_call(suite: Any) -> None:
    folder = suite({"test_a.py": "import os, signal\ndef test_a(): pass\n"})
    results: list[AttemptResult] = []

    async def main() -> None:
        session = folder.session()
        collection = await session.collect()
        order = PytestOrder("t", "", collection.items[0].nodeid)
        await session.run_items([order], on_start=lambda order: None, on_result=results.append)
        zygote = session._zygote
        os.kill(zygote.pid, signal.SIGKILL)
        await zygote.ended.wait()
        await session.run_items([order], on_start=lambda order: None, on_result=results.append)
        await session.close()

    asyncio.run(main())
    assert [result.status for result in results] == [Status.PASSED, Status.PASSED]


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_zygote_that_is_killed_while_it_is_asked_costs_no_test_its_verdict(suite: Any, is_gone: bool) -> None:
    folder = suite({"test_a.py": "def test_a(): pass\ndef test_b(): pass\n"})
    results: list[AttemptResult] = []

    async def main() -> None:
        session = folder.session()
        collection = await session.collect()
        orders = [PytestOrder(item.nodeid, "", item.nodeid) for item in collection.items]
        # Killed, and its end not yet seen: it is asked for a keeper all the same.
        os.kill(session._zygote.pid, signal.SIGKILL)
        while is_gone and psutil.Process(session._zygote.pid).status() != psutil.STATUS_ZOMBIE:
            """Nor has the loop heard of it by then: what is sent fails at once."""
        await session.run_items(orders, on_start=lambda order: None, on_result=results.append)
        await session.close()

    asyncio.run(main())
    assert [(result.status, result.error) for result in results] == [(Status.PASSED, None)] * 2


def test_a_session_that_makes_no_keeper_is_replaced(suite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_zygote, "FORK_SECONDS", 0.3)  # less than what a stopped one is continued after
    folder = suite({"test_a.py": "def test_a(): pass\n"})
    results: list[AttemptResult] = []

    async def main() -> None:
        session = folder.session()
        (item,) = (await session.collect()).items
        os.kill(session._zygote.pid, signal.SIGSTOP)
        order = PytestOrder(item.nodeid, "", item.nodeid)
        zygote = session._zygote
        running = asyncio.create_task(session.run_items([order], on_start=lambda order: None, on_result=results.append))
        await zygote.ended.wait()
        monkeypatch.setattr(shared_zygote, "FORK_SECONDS", 60.0)
        await running
        await session.close()

    asyncio.run(main())
    assert [result.status for result in results] == [Status.PASSED]


def test_nothing_is_left_in_the_temporary_directory(suite: Any) -> None:
    folder = suite({"test_a.py": "def test_a(tmp_path): (tmp_path / 'x').write_text('y')\n"})
    folder.run()
    assert list(folder.temp.iterdir()) == []


WAITS_FOR_A_WORD = """
    import os, time, pytest
    @pytest.fixture(scope="module")
    def shared():
        yield
        open("log", "a").write("down\\n")
    def test_first(shared):
        while not os.path.exists("go"):
            time.sleep(0.005)
    @pytest.mark.parametrize("n", range(4))
    def test_other(n, shared):
        open("log", "a").write(f"{n}\\n")
"""


def _take_back_under_way(folder: Any, wanted: int) -> tuple[list[str], list[str], list[str]]:
    """Names of what was taken back of the last `wanted` while the first item ran, and of what ran, in two batches."""

    async def run() -> tuple[list[str], list[str], list[str]]:
        session = folder.session()
        ran: list[str] = []
        results: list[AttemptResult] = []
        begun = asyncio.Event()

        def note(order: PytestOrder) -> None:
            ran.append(order.nodeid)
            begun.set()

        try:
            collection = await session.collect()
            orders = [PytestOrder(item.nodeid, "", item.nodeid) for item in collection.items]
            back: tuple[PytestOrder, ...] = ()

            async def tell_next() -> Following:
                return Following(back[0] if back else None)

            go = asyncio.create_task(
                session.run_items(orders, on_start=note, on_result=results.append, ask_next=tell_next)
            )
            await begun.wait()
            back = await session.take_back(frozenset(orders[len(orders) - wanted :]))
            (folder.path / "go").touch()
            assert await go == ()
            first = [_name(nodeid) for nodeid in ran]
            ran.clear()
            if back:
                await session.run_items(back, on_start=note, on_result=results.append)
            await session.finish()
            assert [result.status for result in results] == [Status.PASSED] * len(orders)
            return [_name(order.nodeid) for order in back], first, [_name(nodeid) for nodeid in ran]
        finally:
            await session.close()

    return asyncio.run(run())


def _name(nodeid: str) -> str:
    return nodeid.rpartition("::")[2]


@pytest.mark.parametrize("wanted", [0, 1, 3, 4, 5])
def test_what_has_not_begun_can_be_taken_back_and_runs_once(wanted: int, suite: Any) -> None:
    folder = suite({"test_take_back.py": WAITS_FOR_A_WORD})
    names = ["test_first", *(f"test_other[{n}]" for n in range(4))]
    # The one after the one that runs stays, too: pytest was told of it.
    kept = max(len(names) - wanted, 2)

    back, first, later = _take_back_under_way(folder, wanted)

    assert (back, first, later) == (names[kept:], names[:kept], names[kept:])
    assert folder.log() == [*"0123", "down"]


def test_a_batch_that_is_over_gives_nothing_back(suite: Any) -> None:
    folder = suite({"test_a.py": "def test_a(): pass\ndef test_b(): pass\n"})

    async def run() -> tuple[PytestOrder, ...]:
        session = folder.session()
        try:
            orders = [PytestOrder(item.nodeid, "", item.nodeid) for item in (await session.collect()).items]
            await session.run_items(orders, on_start=lambda order: None, on_result=lambda result: None)
            back: tuple[PytestOrder, ...] = await session.take_back(frozenset(orders))
            return back
        finally:
            await session.close()

    assert asyncio.run(run()) == ()


@pytest.mark.parametrize("crash", [False, True])
def test_whenever_items_are_taken_back_each_has_one_verdict(crash: bool, suite: Any) -> None:
    body = "import os\ndef _end(n):\n    if n == 7: os._exit(1)\n" if crash else "def _end(n): pass\n"
    body += "import pytest\n@pytest.mark.parametrize('n', range(60))\ndef test_one(n): _end(n)\n"
    folder = suite({"test_many.py": body})

    async def run() -> list[str]:
        session = folder.session()
        results: list[AttemptResult] = []
        try:
            todo = [PytestOrder(item.nodeid, "", item.nodeid) for item in (await session.collect()).items]
            while todo:
                told: list[PytestOrder] = []
                begun = asyncio.Event()

                def note(order: PytestOrder, told: list[PytestOrder] = told, begun: asyncio.Event = begun) -> None:
                    told.append(order)
                    begun.set()

                running = asyncio.create_task(session.run_items(todo, on_start=note, on_result=results.append))
                await begun.wait()
                back: list[PytestOrder] = []
                for share in (4, 2):
                    back = [*await session.take_back(frozenset(todo[-len(todo) // share :])), *back]
                await running
                assert len(told) + len(back) == len(todo)
                todo = back
        finally:
            await session.close()
        return sorted(result.test_id for result in results)

    told = asyncio.run(run())

    assert told == sorted(f"test_many.py::test_one[{n}]" for n in range(60))
