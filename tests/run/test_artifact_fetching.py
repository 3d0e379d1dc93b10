"""What is fetched from nodes, when, and what is said where it does not come."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pulseq.artifacts import LeftFile
from pulseq.cluster.cluster import LiveNode
from pulseq.events import ArtifactsKept, Event, RunNote
from pulseq.models import AttemptResult, Reason, Status
from pulseq.protocol.from_node import AttemptEnd
from pulseq.run import artifact_fetching
from pulseq.run.artifact_fetching import FIRST_PART, LEAST_PART, MOST_PART, ArtifactFetching
from pulseq.run.artifact_folder import ArtifactFolder


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def until(condition: Callable[[], bool]) -> None:
    """Let everything else go on until this holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


@dataclass
class Nodes:
    """Nodes that have files, as a client sees them.

    Attributes:
        asked: offset and length of each part that was asked for; `dropped` what is to be forgotten.
        gate: held while nodes do not answer.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    under_way: int = 0
    most_under_way: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch_artifact(self, _run: str, _address: str, sha256: str, offset: int, length: int) -> bytes | None:
        self.asked.append((offset, length))
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        data = self.files.get(sha256)
        return None if data is None else data[offset : offset + length]

    async def drop_artifacts(self, _run: str, _address: str, sha256s: set[str]) -> None:
        self.dropped |= sha256s


@dataclass
class Fetched:
    """A run's fetching, on nodes that answer at once unless `nodes.gate` is closed."""

    fetching: ArtifactFetching
    nodes: Nodes
    live: dict[str, LiveNode]
    told: list[Event]
    home: Path

    def left(self, test_id: str, *files: bytes, node_id: str = "n", attempt: int = 1) -> None:
        """An attempt has left these contents, called a, b, ..."""
        told = []
        for name, data in zip("abcdefgh", files, strict=False):
            self.nodes.files[sha256_of(data)] = data
            told.append(LeftFile(name, len(data), sha256_of(data), "text/plain"))
        result = AttemptResult(test_id, attempt, node_id, Status.FAILED, reason=Reason.EXIT_CODE)
        self.fetching.take(node_id, AttemptEnd(result, tuple(told)))

    async def finish(self, *, is_stopped: bool = False, skipped: bool = False) -> None:
        skip = asyncio.Event()
        if skipped:
            skip.set()
        await self.fetching.finish(skipped=skip, is_stopped=lambda: is_stopped)

    def homed(self) -> dict[str, bytes]:
        """What came home, by its path."""
        root = self.home / "artifacts"
        return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}

    def kept(self) -> dict[str, list[tuple[str | None, str | None]]]:
        """Path and trouble of each file that was told of, by its test."""
        events = [one for one in self.told if isinstance(one, ArtifactsKept)]
        return {one.test_id: [(file.path, file.trouble) for file in one.files] for one in events}

    def notes(self) -> list[str]:
        return [one.text for one in self.told if isinstance(one, RunNote)]


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., Fetched]:
    """Runs a story, and gives what came of it."""

    def run(story: Callable[[Fetched], Coroutine[Any, Any, None]], *, limit: int = 10**9) -> Fetched:
        async def go() -> Fetched:
            nodes, told = Nodes(), list[Event]()
            nodes.gate.set()
            live = {name: LiveNode(name, f"tcp://{name}:1", "h", 1, {}, f"start of {name}") for name in ("n", "m")}
            fetching = ArtifactFetching("r", nodes, live, ArtifactFolder(tmp_path), limit, told.append)  # type: ignore[arg-type]
            fetched = Fetched(fetching, nodes, live, told, tmp_path)
            await story(fetched)
            await fetching.close()
            return fetched

        return asyncio.run(go())

    return run


def test_what_attempts_left_comes_home_and_the_node_forgets_it(fetch: Callable[..., Fetched]) -> None:
    async def story(run: Fetched) -> None:
        run.left("one", b"A", b"")
        run.left("two", b"A", node_id="m")
        await run.finish()

    run = fetch(story)
    assert {"one/1/a": b"A", "one/1/b": b"", "two/1/a": b"A"} == run.homed()
    assert [(0, 1)] == run.nodes.asked
    assert {sha256_of(b"A"), sha256_of(b"")} == run.nodes.dropped
    assert {
        "one": [("artifacts/one/1/a", None), ("artifacts/one/1/b", None)],
        "two": [("artifacts/two/1/a", None)],
    } == (run.kept())


def test_what_an_attempt_leaves_later_is_told_with_what_it_left_before(fetch: Callable[..., Fetched]) -> None:
    async def story(run: Fetched) -> None:
        run.left("one", b"A", b"B")
        await run.finish()
        run.left("one", b"C")
        await run.finish()

    run = fetch(story)

    assert {"one/1/a": b"C", "one/1/b": b"B"} == run.homed()
    assert {"one": [("artifacts/one/1/b", None), ("artifacts/one/1/a", None)]} == run.kept()


def test_a_large_file_comes_in_parts_that_grow_as_long_as_they_are_quick(fetch: Callable[..., Fetched]) -> None:
    data = bytes(range(256)) * 4096 * 12

    async def story(run: Fetched) -> None:
        run.left("large", data)
        await run.finish()

    run = fetch(story)
    assert {"large/1/a": data} == run.homed()
    lengths = [length for _, length in run.nodes.asked]
    assert (FIRST_PART, True, True) == (lengths[0], max(lengths) > FIRST_PART, max(lengths) <= MOST_PART)
    assert len(data) == sum(lengths)


def test_parts_shrink_where_they_are_slow(fetch: Callable[..., Fetched], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_fetching, "_SLOW_SECONDS", 0.0)
    monkeypatch.setattr(artifact_fetching, "_QUICK_SECONDS", 0.0)

    async def story(run: Fetched) -> None:
        run.left("slow", bytes(2 * FIRST_PART))
        await run.finish()

    assert LEAST_PART == min(length for _, length in fetch(story).nodes.asked)


def test_a_few_are_under_way_at_a_time_and_fewer_of_one_node(fetch: Callable[..., Fetched]) -> None:
    async def story(run: Fetched) -> None:
        run.nodes.gate.clear()
        for number in range(6):
            run.left(f"n{number}", f"n{number}".encode())
        await until(lambda: run.nodes.under_way == 2)
        run.nodes.gate.set()
        await run.finish()

    run = fetch(story)
    assert (2, 6) == (run.nodes.most_under_way, len(run.homed()))


@pytest.mark.parametrize("again", [False, True])
def test_a_node_that_is_lost_is_a_warning(fetch: Callable[..., Fetched], again: bool) -> None:
    async def story(run: Fetched) -> None:
        run.nodes.gate.clear()
        run.left("lost", b"A" * (FIRST_PART + 1), b"B")
        await until(lambda: run.nodes.under_way > 0)
        gone = run.live.pop("n")
        if again:
            run.live["n"] = LiveNode("n", gone.address, "h", 1, {}, "another start")
        run.nodes.gate.set()
        await run.finish()

    run = fetch(story)
    assert {"lost": [(None, "node n was lost before")] * 2} == run.kept()
    assert ({}, set()) == (run.homed(), run.nodes.dropped)


def test_what_is_not_what_was_told_or_is_not_there_is_a_warning(fetch: Callable[..., Fetched]) -> None:
    async def story(run: Fetched) -> None:
        run.left("odd", b"A", b"B")
        run.nodes.files[sha256_of(b"A")] = b"Z"
        del run.nodes.files[sha256_of(b"B")]
        await run.finish()

    assert {"odd": [(None, "changed after its test had ended"), (None, "node n has it no more")]} == fetch(story).kept()


def test_what_is_over_the_limit_of_the_run_does_not_come(fetch: Callable[..., Fetched]) -> None:
    async def story(run: Fetched) -> None:
        run.left("one", b"A" * 600)
        await run.fetching.settle("n")
        run.left("two", b"B" * 600, b"A" * 600, b"C" * 300)
        await run.finish()

    over = (None, "over the artifacts_limit of the run, 1 kB")
    run = fetch(story, limit=1000)
    assert [over, ("artifacts/two/1/b", None), ("artifacts/two/1/c", None)] == run.kept()["two"]


def test_a_disk_that_is_full_is_a_warning(fetch: Callable[..., Fetched], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def story(run: Fetched) -> None:
        monkeypatch.setattr(ArtifactFolder, "receive", full)
        run.left("one", b"A")
        await run.finish()

    assert {"one": [(None, "it cannot be written: No space left on device")]} == fetch(story).kept()


def test_the_end_waits_and_says_what_for(fetch: Callable[..., Fetched], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_fetching, "_SAY_AFTER_SECONDS", 0.0)

    async def story(run: Fetched) -> None:
        run.nodes.gate.clear()
        run.left("one", b"A" * 2000)
        ending = asyncio.create_task(run.finish())
        await until(lambda: bool(run.notes()))
        run.nodes.gate.set()
        await ending

    run = fetch(story)
    assert ["waiting for artifacts: 1 file, 2 kB, to come; Ctrl-C goes on without"] == run.notes()[:1]
    assert 1 == len(run.homed())


@pytest.mark.parametrize(
    ("bounds", "ending", "why"),
    [
        ({}, {"skipped": True}, "nobody waited for it"),
        ({"STOPPED_WAIT_SECONDS": 0.0}, {"is_stopped": True}, "the run was stopped"),
        ({"WAIT_SECONDS": 0.0}, {}, "the run waited 0 s for it"),
        ({"STALL_SECONDS": 0.0}, {}, "nothing came for 0 s"),
    ],
)
def test_the_end_does_not_wait_for_ever(
    fetch: Callable[..., Fetched],
    monkeypatch: pytest.MonkeyPatch,
    bounds: dict[str, float],
    ending: dict[str, bool],
    why: str,
) -> None:
    for name, value in bounds.items():
        monkeypatch.setattr(artifact_fetching, name, value)

    async def story(run: Fetched) -> None:
        run.left("there", b"B")
        await run.fetching.settle("n")
        run.nodes.gate.clear()
        run.left("one", b"A", b"B")
        run.left("two", b"C")
        await until(lambda: run.nodes.under_way > 0)
        await run.finish(**ending)

    run = fetch(story)
    assert {
        "there": [("artifacts/there/1/a", None)],
        "one": [(None, why), ("artifacts/one/1/b", None)],
        "two": [(None, why)],
    } == run.kept()
    assert [f"went on without artifacts: 3 files, 3 B, did not come, since {why}"] == run.notes()
    assert {"there/1/a", "one/1/b"} == run.homed().keys()


def test_a_node_that_leaves_gives_what_it_has_before(fetch: Callable[..., Fetched]) -> None:
    async def story(run: Fetched) -> None:
        run.nodes.gate.clear()
        run.left("one", b"A")
        settling = asyncio.create_task(run.fetching.settle("n"))
        await until(lambda: run.nodes.under_way > 0)
        assert not settling.done()
        run.nodes.gate.set()
        await settling
        assert ["one/1/a"] == list(run.homed())
        await run.fetching.settle("m")

    fetch(story)


def test_what_is_called_by_no_hash_does_not_come_and_touches_nothing(
    fetch: Callable[..., Fetched], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")

    async def story(run: Fetched) -> None:
        result = AttemptResult("a", 1, "n", Status.FAILED)
        run.fetching.take("n", AttemptEnd(result, (LeftFile("a", 4, str(victim), "text/plain"),)))
        await run.finish()

    [(path, trouble)] = fetch(story).kept()["a"]
    assert (None, "mine") == (path, victim.read_text())
    assert "no SHA-256" in str(trouble)


def test_a_file_is_told_of_by_the_name_that_it_has_at_home(fetch: Callable[..., Fetched]) -> None:
    async def story(run: Fetched) -> None:
        run.nodes.files[sha256_of(b"A")] = b"A"
        result = AttemptResult("a", 1, "n", Status.FAILED)
        run.fetching.take("n", AttemptEnd(result, (LeftFile("\x1b[2J.txt", 1, sha256_of(b"A"), "text/plain"),)))
        await run.finish()

    [kept] = [one for one in fetch(story).told if isinstance(one, ArtifactsKept)]
    assert f"artifacts/a/1/{kept.files[0].name}" == kept.files[0].path
