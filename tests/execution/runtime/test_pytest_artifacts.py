"""What items of a pytest session leave behind, each its own, however its slot came to be."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from pulseq.artifacts import ArtifactRules
from pulseq.models import Reason

both_isolations = pytest.mark.parametrize("isolation", ["fork", "interpreter"])

LEAVES = """
    import os, pathlib, pytest, signal, time
    def leave(name, text): pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], name).write_text(text)
    @pytest.fixture(scope="module")
    def folder(): return pathlib.Path(os.environ["PULSEQ_ARTIFACTS"])
    def test_one(): leave("a.txt", "one")
    def test_nothing(): pass
    def test_two(folder):
        assert not list(folder.iterdir())
        (folder / "deep").mkdir()
        (folder / "deep" / "b.txt").write_text("two")
        assert False
"""
ENDS = """
    import os, pathlib, signal, time
    def leave(text): pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], "last.txt").write_text(text)
    def test_crash():
        leave("crash"); os.kill(os.getpid(), signal.SIGKILL)
    def test_hang():
        leave("hang"); time.sleep(600)
    def test_after(): leave("after")
"""


@both_isolations
def test_each_item_has_a_directory_that_was_empty_before_it(isolation: str, suite: Any) -> None:
    run = suite({"test_a.py": LEAVES}).run(isolation=isolation)
    assert {"test_one": "passed", "test_nothing": "passed", "test_two": "failed"} == run.verdicts()
    assert {"test_one": {"own/a.txt": "one"}, "test_two": {"own/deep/b.txt": "two"}} == run.artifacts()


@both_isolations
def test_what_ends_its_runner_leaves_what_it_has_written(isolation: str, suite: Any) -> None:
    run = suite({"test_a.py": ENDS}).run(isolation=isolation, timeout=2.0)
    assert signal.SIGKILL == run["test_crash"].signal
    assert Reason.TIMEOUT == run["test_hang"].reason
    assert {
        "test_crash": {"own/last.txt": "crash"},
        "test_hang": {"own/last.txt": "hang"},
        "test_after": {"own/last.txt": "after"},
    } == run.artifacts()


WRITES = """
    import os, pathlib, pytest
    def shot(name, text): pathlib.Path("shots", name).write_text(text)
    def test_fine(): shot("fine.png", "1")
    def test_bad():
        shot("bad.png", "22"); shot("old.png", "changed")
        pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], "own.txt").write_text("")
        assert False
    def test_worse(): assert False
    def test_crash():
        shot("crash.png", "4444"); os._exit(3)
"""


@both_isolations
def test_globs_find_what_an_item_that_failed_has_written(isolation: str, suite: Any) -> None:
    folder = suite({"test_a.py": WRITES, "shots/old.png": "old", "shots/same.png": "same"})
    run = folder.run(isolation=isolation, artifacts=ArtifactRules(("shots/**/*.png",)))
    assert {
        "test_bad": {"found/shots/bad.png": "22", "found/shots/old.png": "changed", "own/own.txt": ""},
        "test_crash": {"found/shots/crash.png": "4444"},
    } == run.artifacts()


def test_globs_of_all_find_what_passed_has_written(suite: Any) -> None:
    folder = suite({"test_a.py": WRITES, "shots/old.png": "old"})
    run = folder.run(isolation="fork", artifacts=ArtifactRules(("shots/*.png",), "all"))
    assert {"found/shots/fine.png": "1"} == run.artifacts()["test_fine"]
    assert "test_worse" not in run.artifacts()


def test_a_directory_that_an_item_spoils_is_there_for_the_next(suite: Any) -> None:
    body = """
        import os, pathlib, shutil
        def place(): return pathlib.Path(os.environ["PULSEQ_ARTIFACTS"])
        def test_removes(): shutil.rmtree(place())
        def test_links():
            place().rmdir(); place().symlink_to("/etc")
        def test_file():
            place().rmdir(); place().write_text("no directory")
        def test_after(): (place() / "a").write_text("a")
    """
    run = suite({"test_a.py": body}).run(isolation="fork")
    assert {"passed": 4} == run.counts()
    assert {"own/a": "a"} == run.artifacts()["test_after"]
    assert ["its artifacts could not be kept"] == [one[:31] for one in run["test_file"].warnings]
