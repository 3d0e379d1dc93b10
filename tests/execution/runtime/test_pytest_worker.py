"""An interpreter of its own collects for itself; what becomes of it is told, and what it left stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_worker import free_basetemp

ISOLATIONS = ("fork", "interpreter")


def test_each_worker_has_a_directory_beside_the_others(tmp_path: Path) -> None:
    assert [f"{tmp_path}/popen-gw0", f"{tmp_path}/popen-gw1"] == [
        free_basetemp(str(tmp_path), worker) for worker in ("gw0", "gw1")
    ]


def test_a_worker_that_comes_after_another_leaves_alone_what_that_one_left(tmp_path: Path) -> None:
    for expected in ("popen-gw0", "popen-gw0-2", "popen-gw0-3"):
        path = Path(free_basetemp(str(tmp_path), "gw0"))
        assert expected == path.name
        path.mkdir()


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_tmp_path_of_all_slots_lies_in_one_directory_and_stays_while_tmpdir_goes(isolation: str, suite: Any) -> None:
    text = """
        import os, pytest, tempfile
        @pytest.mark.parametrize("n", range(4))
        def test_leaves(n, tmp_path):
            (tmp_path / "left").write_text(str(n))
            private = tempfile.mkdtemp()
            worker = os.environ["PYTEST_XDIST_WORKER"]
            open("log", "a").write(f"{worker} {tmp_path} {private} {os.environ['TMPDIR']}\\n")
            assert n != n
    """
    folder = suite({"test_leaves.py": text})
    run = folder.run(slots=2, pack=1, isolation=isolation)
    assert ["failed"] * 4 == list(run.verdicts().values())
    parents: dict[str, Path] = {}
    for line in folder.log():
        worker, left, private, temporary = line.split()
        base = Path(left).parent
        assert base == parents.setdefault(worker, base)
        assert (Path(left) / "left").is_file()
        assert Path(private).parent == Path(temporary)
        assert not Path(temporary).exists()
    assert {f"popen-{worker}" for worker in parents} == {base.name for base in parents.values()}
    assert 1 == len({base.parent for base in parents.values()})


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_two_sessions_of_a_user_share_the_directory_above(isolation: str, suite: Any) -> None:
    text = "def test_a(tmp_path_factory): open('log', 'a').write(f'{tmp_path_factory.getbasetemp().parent}\\n')\n"
    folder = suite({"test_a.py": text})
    for _ in range(2):
        folder.run(isolation=isolation)
    first, second = map(Path, folder.log())
    assert first != second
    assert first.parent == second.parent


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_suite_may_do_without_pytests_temporary_directories(isolation: str, suite: Any) -> None:
    run = suite({"test_a.py": "def test_a(): pass\n"}).run(isolation=isolation, args=["-p", "no:tmpdir"])
    assert {"test_a": "passed"} == run.verdicts()


def test_a_conftest_that_raises_in_an_interpreter_is_told_in_pytests_words(suite: Any) -> None:
    conftest = """
        import os
        if "PYTEST_XDIST_WORKER" in os.environ:
            raise RuntimeError("no device")
    """
    error = suite({"conftest.py": conftest, "test_a.py": "def test_a(): pass\n"}).run(isolation="interpreter")
    words = error.collection.usage_error or ""
    assert "conftest.py:4: in <module>" in words
    assert "RuntimeError: no device" in words


@pytest.mark.parametrize(
    ("end", "how"),
    [("os._exit(7)", "exit code 7"), ("os.kill(os.getpid(), 9)", "signal 9"), ("os.abort()", "signal 6")],
)
def test_an_interpreter_that_dies_while_it_collects_is_told(end: str, how: str, suite: Any) -> None:
    text = f"""
        import os
        os.write(2, b"the last of it")
        {end}
    """
    run = suite({"test_a.py": text}).run(isolation="interpreter", args=["-s"])
    words = run.collection.usage_error or ""
    assert words.startswith(f"pytest ended with {how} before it had collected")
    assert "the last of it" in words


def test_an_interpreter_that_has_no_pytest_by_then_says_so(suite: Any) -> None:
    conftest = """
        import os, sys
        from pathlib import Path
        if "PYTEST_XDIST_WORKER" not in os.environ:
            Path("pytest.py").write_text("raise ImportError('gone since')")
    """
    run = suite({"conftest.py": conftest, "test_a.py": "def test_a(): pass\n"}).run(isolation="interpreter")
    words = run.collection.usage_error or ""
    assert "has no pytest: gone since" in words


def test_each_interpreter_imports_for_itself_and_runs_on_after_a_crash(suite: Any) -> None:
    text = """
        import os
        open("log", "a").write("imported\\n")
        def test_dies(): os._exit(3)
        def test_lives(): pass
    """
    folder = suite({"test_a.py": text})
    run = folder.run(isolation="interpreter")
    assert {"test_dies": "error", "test_lives": "passed"} == run.verdicts()
    assert ["imported"] * 2 == folder.log()
