"""Test files are rewritten once for all sessions of a machine, and nothing else changes by that."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.execution.pytest_session import PytestSession
from pulseq.execution.runtime import pytest_rewriting
from pulseq.execution.runtime.pytest_rewriting import Team
from pulseq.pytest_sessions import Collection

#: Notes each file that this process rewrites, as long as nobody has done so before.
NOTING = """
from _pytest.assertion import rewrite
rewrite_test = rewrite._rewrite_test
def noting(fn, config):
    with open("log", "a") as log:
        log.write(fn.name + "\\n")
    return rewrite_test(fn, config)
rewrite._rewrite_test = noting
"""
SUITE = {
    "conftest.py": NOTING,
    **{f"pkg{n % 3}/test_{n}.py": f"def test_{n}(): assert {n} != 5, 'five'\n" for n in range(12)},
}
NO_BYTECODE = (("PYTHONDONTWRITEBYTECODE", "1"),)


def _rewritten(folder: Any) -> Counter[str]:
    """How often each test file was rewritten; modules of plug-ins are none of the suite's."""
    return Counter(name for name in folder.log() if name.startswith("test_"))


def _collect(folder: Any, sessions: int, slots: int, shared: Path | None, *, at_once: bool) -> list[Collection]:
    async def main() -> list[Collection]:
        made = [
            PytestSession(
                # Each with a collection of its own: sessions that are alike share one.
                folder.spec(env=(*NO_BYTECODE, ("SESSION", str(n)))),
                node_id=f"n{n}",
                temp_root=folder.temp,
                slots=slots,
                shared=shared,
            )
            for n in range(sessions)
        ]
        try:
            if at_once:
                return list(await asyncio.gather(*(session.collect() for session in made)))
            return [await session.collect() for session in made]
        finally:
            for session in made:
                await session.close()

    return asyncio.run(main())


def test_what_one_session_has_rewritten_the_next_one_takes(suite: Any, tmp_path: Path) -> None:
    folder = suite(SUITE)

    collections = _collect(folder, 2, 1, tmp_path / "shared", at_once=False)

    assert collections[0].items == collections[1].items
    assert _rewritten(folder) == {f"test_{n}.py": 1 for n in range(12)}


def test_sessions_and_their_helpers_at_the_same_time_collect_the_same(suite: Any, tmp_path: Path) -> None:
    folder = suite(SUITE)

    first, second = _collect(folder, 2, 3, tmp_path / "shared", at_once=True)

    assert (len(first.items), first.items, first.verdicts) == (12, second.items, second.verdicts)
    assert set(folder.log()) == {f"test_{n}.py" for n in range(12)}


def test_a_session_without_a_place_to_share_rewrites_for_itself(suite: Any, tmp_path: Path) -> None:
    folder = suite(SUITE)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o777)
    open_to_all.chmod(0o777)

    (collection,) = _collect(folder, 1, 1, open_to_all, at_once=False)

    assert (len(collection.items), list(open_to_all.iterdir())) == (12, [])


def test_asserts_are_explained_whoever_rewrote_them(suite: Any) -> None:
    run = suite(SUITE).run(slots=3, env=NO_BYTECODE)

    assert run.verdicts()["test_5"] == "failed"
    assert "assert 5 != 5" in (run["test_5"].error or "")


def test_the_bytecode_is_left_where_pytest_leaves_it(suite: Any) -> None:
    folder = suite(SUITE)

    folder.run(slots=3, env=(("PYTHONDONTWRITEBYTECODE", ""),))

    kept = sorted(path.name.partition(".")[0] for path in folder.path.glob("pkg*/__pycache__/*-pytest-*.pyc"))
    assert kept == sorted(f"test_{n}" for n in range(12))


def test_an_edited_file_is_rewritten_again(suite: Any, tmp_path: Path) -> None:
    folder = suite({"test_a.py": "def test_a(): pass\n"})
    before = _collect(folder, 1, 1, tmp_path / "shared", at_once=False)
    folder.write({"test_a.py": "def test_another(): pass\n"})

    after = _collect(folder, 1, 1, tmp_path / "shared", at_once=False)

    names = [collection.items[0].nodeid for collection in before + after]
    assert names == ["test_a.py::test_a", "test_a.py::test_another"]


def test_a_warning_at_compiling_is_an_error_in_every_session_that_asks_for_it(suite: Any, tmp_path: Path) -> None:
    ini = "[pytest]\nfilterwarnings = error\n"
    folder = suite({"pytest.ini": ini, "test_odd.py": "TEXT = '\\d'\ndef test_odd(): assert TEXT is '\\d'\n"})

    collections = _collect(folder, 2, 2, tmp_path / "shared", at_once=False)

    assert [(len(each.items), [verdict.nodeid for verdict in each.verdicts]) for each in collections] == [
        (0, ["test_odd.py"]),
        (0, ["test_odd.py"]),
    ]


def test_a_suite_without_rewriting_is_collected(suite: Any, tmp_path: Path) -> None:
    folder = suite(SUITE)

    run = folder.run(slots=2, args=("--assert=plain",))

    assert (len(run.results), folder.log()) == (12, [])


def test_a_machine_that_can_start_no_helper_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(pytest_rewriting, "fork_silently", refuse)
    code = compile("", "test_a.py", "exec")
    store: Any = SimpleNamespace(find=lambda source: code, copy=lambda source, pyc: None)

    assert Team(store, [], helpers=2).obtain(Path("test_a.py"), Path("test_a.pyc")) is code
