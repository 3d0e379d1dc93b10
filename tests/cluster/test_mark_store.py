"""Marks that outlive the scheduler which had them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pulseq.cluster.health import reach_scheduler
from pulseq.cluster.mark_store import MarkStore
from pulseq.cluster.marks import read_marks, write_marks
from pulseq.marks import MarkState, NodeMark
from tests.dask_nodes import open_scheduler

DRAINING = NodeMark("n", MarkState.DRAINING, "firmware", "anna@desk", 5.0)


async def _with_store(path: Path, *marks: NodeMark) -> tuple[str | None, dict[str, NodeMark], str | None]:
    """A scheduler's life: what it says of the file, the marks it then has, and its trouble with new ones."""
    async with open_scheduler() as scheduler, reach_scheduler(scheduler.address) as reached:
        store = MarkStore(scheduler, path)
        note = store.load()
        scheduler.add_plugin(store)
        found = await read_marks(reached)
        return note, found, await write_marks(reached, marks)


def test_the_next_scheduler_has_the_marks_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"

    assert (None, {}, None) == asyncio.run(_with_store(path, DRAINING, NodeMark("m", MarkState.OPEN)))
    assert 0o600 == path.stat().st_mode & 0o777
    assert (None, {"n": DRAINING}, None) == asyncio.run(_with_store(path))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"n": 1}', '{"n": {"node_id": "n", "state": "asleep"}}', "\xff" * 9])
def test_a_damaged_file_is_told_of_kept_aside_and_begun_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "marks.json"
    path.write_text(text, encoding="latin-1")

    note, found, _ = asyncio.run(_with_store(path, DRAINING))

    assert note is not None
    assert f"{path} is not believed" in note
    assert "no node is marked any more; it is marks.json.damaged now" in note
    assert {} == found
    assert text == (tmp_path / "marks.json.damaged").read_text(encoding="latin-1")
    assert {"n": DRAINING} == asyncio.run(_with_store(path))[1]


def test_a_file_that_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    asyncio.run(_with_store(path, DRAINING))
    path.chmod(0o622)

    note, found, _ = asyncio.run(_with_store(path))

    assert {} == found
    assert "others than this user could have written it" in (note or "")


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_not_even_read(tmp_path: Path, make: object) -> None:
    path = tmp_path / "marks.json"
    assert callable(make)
    make(path)

    note, found, trouble = asyncio.run(_with_store(path, DRAINING))

    assert note is not None
    assert ({}, None) == (found, trouble)
    assert {"n": DRAINING} == asyncio.run(_with_store(path))[1]


def test_marks_that_cannot_be_kept_hold_all_the_same_and_whoever_made_them_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "not there" / "marks.json"

    _, _, trouble = asyncio.run(_with_store(path, DRAINING))

    assert f"{path} cannot be written (No such file or directory)" == trouble
