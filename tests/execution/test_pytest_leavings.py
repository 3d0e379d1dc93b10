"""What a suite makes at import is there for all its tests, and undone once; a hang shows where it was."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from pulseq.models import Reason

both_isolations = pytest.mark.parametrize("isolation", ["fork", "interpreter"])

MADE_AT_IMPORT = """
    import atexit, os, pathlib, tempfile, weakref
    OWNER = os.getpid()
    def note(word):
        with open("log", "a") as log: log.write(f"{word} {os.getpid() == OWNER}\\n")
    TEMPORARY = tempfile.TemporaryDirectory()
    DATA = pathlib.Path(TEMPORARY.name, "data")
    DATA.write_text("42")
    class Thing: pass
    THING = Thing()
    weakref.finalize(THING, note, "finalizer")
    if "PYTEST_XDIST_WORKER" in os.environ: atexit.register(note, "atexit")
"""
READS = """
    import os, pytest
    from conftest import DATA
    @pytest.mark.parametrize("n", range(4))
    def test_data(n): assert DATA.read_text() == "42"
    def test_crash(): os._exit(1)
    def test_after(): assert DATA.read_text() == "42"
"""


@both_isolations
def test_a_temporary_directory_of_import_outlives_runners_that_end(isolation: str, suite: Any) -> None:
    folder = suite({"conftest.py": MADE_AT_IMPORT, "test_a.py": READS})
    run = folder.run(slots=2, pack=1, fresh=True, isolation=isolation)
    assert {"passed": 5, "error": 1} == run.counts()
    assert ("test_crash", Reason.CRASH) == ("test_crash", run["test_crash"].reason)


def test_what_import_registered_is_undone_by_the_process_that_imported(suite: Any) -> None:
    folder = suite({"conftest.py": MADE_AT_IMPORT, "test_a.py": "def test_a(): pass\ndef test_b(): pass\n"})
    folder.run(pack=1, fresh=True, isolation="fork")
    assert 1 == folder.log().count("atexit True")
    assert [] == [line for line in folder.log() if line.endswith("False")]


@both_isolations
def test_a_hang_shows_the_tests_own_frame_first(isolation: str, suite: Any) -> None:
    body = """
        import threading
        LOCK = threading.Lock()
        def deep():
            LOCK.acquire(); LOCK.acquire()
        def test_hang(): deep()
    """
    run = suite({"test_hang.py": body}).run(timeout=1.0, isolation=isolation)
    lines = (run["test_hang"].error or "").splitlines()
    assert Reason.TIMEOUT == run["test_hang"].reason
    assert ["in deep", "in test_hang"] == [line[line.rindex("in ") :] for line in lines[1:3]]


@both_isolations
def test_a_suite_may_have_its_children_reaped_by_nobody(isolation: str, suite: Any) -> None:
    conftest = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    folder = suite({"conftest.py": conftest, "test_a.py": "def test_a(): pass\ndef test_b(): pass\n"})
    run = folder.run(slots=2, pack=1, isolation=isolation)
    assert ({"passed": 2}, 0, None) == (run.counts(), run.ended.exit_status, run.ended.error)


@both_isolations
def test_files_that_nobody_closes_have_all_that_was_written(isolation: str, suite: Any) -> None:
    conftest = """
        LOG = open("log", "a")
        def pytest_configure(config):
            config.notes = None if hasattr(config, "workerinput") else open("notes", "w")
        def pytest_unconfigure(config):
            if config.notes is None: return
            config.notes.write("summed up")
            import atexit, time
            atexit.register(time.sleep, 0.5)
    """
    body = """
        import gzip, conftest
        def test_a(): conftest.LOG.write("a\\n")
        def test_b():
            conftest.LOG.write("b\\n")
            conftest.PACKED = gzip.open("packed.gz", "wt")
            conftest.PACKED.write("data")
    """
    folder = suite({"conftest.py": conftest, "test_a.py": body})
    assert {"passed": 2} == folder.run(slots=2, pack=1, isolation=isolation).counts()
    assert ["a", "b"] == sorted(folder.log())
    assert "summed up" == (folder.path / "notes").read_text()
    assert b"data" == gzip.decompress((folder.path / "packed.gz").read_bytes())
