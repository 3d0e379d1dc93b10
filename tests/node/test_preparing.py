"""Making a project ready on a host."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec
import psutil
import pytest

from pulseq.execution.executor import Executor
from pulseq.execution.runtime.blotting import Blotter
from pulseq.node import preparing
from pulseq.node.blob_store import BlobStore
from pulseq.node.preparing import PrepareError, Preparing, _Outputs, kept_outputs
from pulseq.protocol.project_files import PrepareOrder


@contextlib.asynccontextmanager
async def making(
    tmp_path: Path,
    script: str,
    *,
    key: bytes = b"k",
    slot: str = "00",
    seconds: float = 60.0,
    variables: Mapping[str, str] | None = None,
    blotter: Blotter | None = None,
    tell: Callable[[str], object] = str,
) -> AsyncIterator[Preparing]:
    """What runs a script, in a workspace of its own, with the store of all."""
    place = tmp_path / "w" / slot / "shop"
    place.mkdir(parents=True, exist_ok=True)
    store = BlobStore(tmp_path / "s")
    store.open()
    executor = Executor(node_id="n", temp_root=tmp_path / "t")
    await executor.start()
    order = PrepareOrder(("/bin/sh", "-c", script), ("out", "lib/*.so"), seconds, key)
    try:
        yield Preparing(
            order, place, store, tmp_path / "prepared", executor, tmp_path / "t", tell, variables or {}, blotter
        )
    finally:
        await executor.close()


def run(tmp_path: Path, script: str, **how: object) -> Path:
    async def go() -> Path:
        async with making(tmp_path, script, **how) as made:  # type: ignore[arg-type]
            await made.run("r")
            return made.place

    return asyncio.run(go())


GOOD = (
    "mkdir -p out/d lib; date +%N > out/d/f; echo so > lib/a.so; ln -s $PWD/out/d out/l; "
    "echo at $PWD > out/at; chmod 755 out/at"
)


@pytest.mark.processes
def test_outputs_are_kept_and_put_into_later_workspaces(tmp_path: Path) -> None:
    first = run(tmp_path, GOOD)
    made = (first / "out" / "d" / "f").read_text()
    second = run(tmp_path, GOOD, slot="01")

    assert made == (second / "out" / "d" / "f").read_text() == (second / "out" / "l" / "f").read_text()
    assert "so\n" == (second / "lib" / "a.so").read_text()
    assert 0o755 == (second / "out" / "at").stat().st_mode & 0o777


@pytest.mark.processes
def test_what_names_the_workspace_names_the_later_one(tmp_path: Path) -> None:
    run(tmp_path, GOOD)
    second = run(tmp_path, GOOD, slot="01")

    assert f"at {second}\n" == (second / "out" / "at").read_text()
    assert str(second / "out" / "d") == os.readlink(second / "out" / "l")


@pytest.mark.processes
def test_another_key_has_it_made_anew(tmp_path: Path) -> None:
    first, second = run(tmp_path, GOOD), run(tmp_path, GOOD, slot="01", key=b"other")
    assert (first / "out" / "d" / "f").read_text() != (second / "out" / "d" / "f").read_text()


@pytest.mark.processes
def test_what_the_store_has_forgotten_is_made_anew(tmp_path: Path) -> None:
    run(tmp_path, GOOD)
    store = BlobStore(tmp_path / "s")
    store.forget(0, set())
    assert (run(tmp_path, GOOD, slot="01") / "out" / "d" / "f").exists()


def test_what_is_written_down_of_outputs_counts_and_goes_with_the_longest_unused(tmp_path: Path) -> None:
    run(tmp_path, GOOD)
    run(tmp_path, GOOD, slot="01", key=b"other")
    prepared, store = tmp_path / "prepared", BlobStore(tmp_path / "s")
    used, unused = sorted(prepared.iterdir(), key=lambda path: path.stat().st_mtime)
    os.utime(unused, (1, 1))
    everything = sum(size for _, size, _, _ in kept_outputs(prepared, set()))
    store.forget(everything - 1 + _size_of(store), set(), kept_outputs(prepared, set()))
    assert [used] == list(prepared.iterdir())
    digests = {file.digest for file in msgspec.msgpack.decode(used.read_bytes(), type=_Outputs).tree.files}
    store.forget(0, digests, kept_outputs(prepared, digests))
    assert [used] == list(prepared.iterdir())
    store.forget(0, set(), kept_outputs(prepared, set()))
    assert [] == list(prepared.iterdir())


def _size_of(store: BlobStore) -> int:
    store._packs.refresh()
    return sum(size for _, size, _, _ in store._packs.kept())


@pytest.mark.processes
@pytest.mark.parametrize(
    ("script", "told", "output"),
    [
        ("echo no such package >&2; exit 3", "prepare failed with exit code 3", "no such package"),
        ("echo fine; mkdir -p lib; echo > lib/a.so", "prepare has ended well, and left no 'out', its outputs", "fine"),
        ("exec no-such-program", "prepare failed with exit code 127", "no-such-program"),
    ],
)
def test_why_it_is_not_ready_is_told_with_the_end_of_its_output(
    tmp_path: Path, script: str, told: str, output: str
) -> None:
    with pytest.raises(PrepareError) as caught:
        run(tmp_path, script)
    assert told == str(caught.value)
    assert output in caught.value.output
    assert not (tmp_path / "prepared").exists()


@pytest.mark.processes
def test_one_that_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"took longer than its timeout of 0.5 s and was ended"):
        run(tmp_path, "setsid sleep 987 & sleep 987", seconds=0.5)
    assert [] == [process for process in psutil.process_iter(["cmdline"]) if "987" in (process.info["cmdline"] or [])]


@pytest.mark.processes
def test_one_that_is_stopped_ends(tmp_path: Path) -> None:
    async def go() -> None:
        async with making(tmp_path, "sleep 986") as made:
            asyncio.get_running_loop().call_soon(made.stop)
            with pytest.raises(PrepareError, match="prepare failed"):
                await made.run("r")

    asyncio.run(go())


@pytest.mark.processes
def test_its_last_line_is_told_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "_TELL_SECONDS", 0.01)
    told: list[str] = []

    async def go() -> None:
        async with making(tmp_path, f"echo one; echo two; while [ ! -e {tmp_path}/go ]; do :; done; {GOOD}") as made:
            made.tell = note_and_go_on(told, tmp_path)
            await made.run("r")

    asyncio.run(go())
    assert "two" == told[-1]


def note_and_go_on(told: list[str], directory: Path) -> Callable[[str], None]:
    def note(line: str) -> None:
        told.append(line)
        if line == "two":
            (directory / "go").touch()

    return note


@pytest.mark.processes
def test_it_has_the_variables_of_bodies_and_its_words_have_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_TELL_SECONDS", 0.01)
    told: list[str] = []
    # Half of it is written before it is looked at; the cut of what is kept goes through the first one.
    script = (
        "printf 'hunter2%3990s' x; echo; printf 'it is hun'; "
        "while [ ! -e told ]; do sleep 0.01; done; echo ter2 and $MODE; exit 3"
    )

    def tell(line: str) -> None:
        told.append(line)
        (tmp_path / "w" / "00" / "shop" / "told").touch()

    with pytest.raises(PrepareError) as refused:
        run(tmp_path, script, variables={"MODE": "fast"}, blotter=Blotter(["hunter2"]), tell=tell)

    assert refused.value.output.endswith("it is *** and fast")
    assert "unter" not in refused.value.output
    assert told
    assert not [line for line in told if "h" in line.rpartition("x")[2]]
