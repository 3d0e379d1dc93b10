"""What was made once is undone once; what a fork has made is undone by it."""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_leaving import RandomState, refresh_greenlets

UNDONE = """
    import atexit, os, tempfile, weakref
    from pathlib import Path

    class Thing: pass

    def note(text):
        with open("log", "a") as log:
            log.write(f"{text} {os.getpid()}\\n")

    def make(where):
        thing, folder = Thing(), tempfile.TemporaryDirectory(dir=".")
        atexit.register(note, f"{where}: atexit")
        weakref.finalize(thing, note, f"{where}: finalize")
        Path(f"{where}.folder").write_text(os.path.abspath(folder.name))
        note(f"{where}: made")
        return thing, folder

    KEPT = [make("import")]
"""


def undone(folder: Any) -> dict[str, list[str]]:
    """What was noted, and by which processes, each under a letter in the order in which they came."""
    letters: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for line in folder.log():
        text, _, pid = line.rpartition(" ")
        found.setdefault(text, []).append(letters.setdefault(pid, "abcdef"[len(letters)]))
    return found


def test_what_was_made_at_import_is_undone_once_by_what_collected_after_the_last_fork(suite: Any) -> None:
    text = UNDONE + "".join(
        f"""
    def test_{number}():
        assert Path(KEPT[0][1].name).is_dir()
        note("test")
"""
        for number in range(3)
    )
    folder = suite({"test_undone.py": text})
    run = folder.run(slots=2, pack=1, fresh=True, isolation="fork")
    assert Counter(passed=3) == run.counts()
    noted = undone(folder)
    assert {"import: made": ["a"], "import: finalize": ["a"], "import: atexit": ["a"]} == {
        key: value for key, value in noted.items() if key != "test"
    }
    assert ["b", "c", "d"] == noted["test"]
    assert {"import: finalize", "import: atexit"} == {line.rpartition(" ")[0] for line in folder.log()[-2:]}
    assert not Path((folder.path / "import.folder").read_text()).exists()


def test_what_was_made_in_a_test_is_undone_by_its_fork(suite: Any) -> None:
    folder = suite({"test_undone.py": UNDONE + '    def test_makes():\n        KEPT.append(make("test"))\n'})
    folder.run(isolation="fork")
    noted = undone(folder)
    assert [["b"], ["b"], ["b"]] == [noted[f"test: {what}"] for what in ("made", "atexit", "finalize")]
    assert [["a"], ["a"]] == [noted[f"import: {what}"] for what in ("atexit", "finalize")]
    assert not Path((folder.path / "test.folder").read_text()).exists()


def test_random_goes_on_in_each_fork_from_where_import_left_it(suite: Any) -> None:
    text = """
        import random
        random.seed(7)
        FIRST = random.random()
        def note(): open("log", "a").write(f"{random.random()}\\n")
        def test_a(): note()
        def test_b(): note()
    """
    folder = suite({"test_random.py": text})
    folder.run(slots=2, pack=1, fresh=True)
    expected = random.Random(7)
    expected.random()
    assert [str(expected.random())] * 2 == folder.log()


def test_a_state_of_random_is_restored() -> None:
    state = RandomState()
    first = random.random()
    state.restore()
    assert first == random.random()


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_threads_are_waited_for_at_the_end(isolation: str, suite: Any) -> None:
    text = """
        import threading
        LOG = open("log", "a")
        def last():
            threading.main_thread().join()
            LOG.write("thread\\n")
            LOG.flush()
        def test_starts(): threading.Thread(target=last).start()
    """
    folder = suite({"test_end.py": text})
    folder.run(isolation=isolation)
    assert ["thread"] == folder.log()


@pytest.mark.parametrize(
    ("loop", "expected"),
    [({"reset_sigchld": True}, ["reinit", "reset_sigchld"]), ({}, ["reinit"])],
    ids=["libev", "libuv"],
)
def test_a_fork_has_gevent_begin_anew_and_hear_of_its_own_children(
    loop: dict[str, bool], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    functions = {name: lambda name=name: said.append(name) for name in loop}
    hub = SimpleNamespace(loop=SimpleNamespace(**functions))
    gevent = SimpleNamespace(reinit=lambda: said.append("reinit"), get_hub=lambda: hub)
    monkeypatch.setitem(sys.modules, "gevent", gevent)  # type: ignore[arg-type]
    refresh_greenlets()
    assert expected == said
