"""What is told of an attempt, and when, where it left files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pulseq.artifacts import ArtifactRules
from pulseq.background import Background
from pulseq.models import AttemptResult, CommandBody, Reason, SimulateBody, Status, TestCase
from pulseq.node import telling
from pulseq.node.telling import AttemptEnds, Outbox, leaves_cases
from pulseq.protocol.from_node import AttemptEnd, CasesFound, NodeMessage

PASSED = AttemptResult("a", 1, "n", Status.PASSED)
FAILED = replace(PASSED, status=Status.FAILED, reason=Reason.EXIT_CODE)
BAD_CASE = '<testsuite name="s"><testcase classname="S" name="a"><failure/></testcase></testsuite>'


def left(root: Path, name: str = "a.txt") -> str:
    place = root / f"left-{name}"
    (place / "own").mkdir(parents=True)
    (place / "own" / name).write_text(name)
    return str(place)


def told(root: Path, tell: Callable[[AttemptEnds], Coroutine[Any, Any, None]]) -> list[NodeMessage]:
    async def run() -> list[NodeMessage]:
        messages: list[NodeMessage] = []
        ends = AttemptEnds(lambda message, busy: messages.append(message), root, Background())
        await tell(ends)
        await ends.close()
        return messages

    return asyncio.run(run())


def names(message: NodeMessage) -> list[str]:
    assert isinstance(message, AttemptEnd)
    return [file.name for file in message.artifacts]


@pytest.mark.parametrize(
    ("result", "rules", "kept"),
    [
        (FAILED, ArtifactRules(), ["a.txt"]),
        (PASSED, ArtifactRules(), []),
        (PASSED, ArtifactRules(of="all"), ["a.txt"]),
        (replace(PASSED, status=Status.SKIPPED, reason=Reason.SKIP), ArtifactRules(), []),
    ],
)
def test_what_an_attempt_left_is_told_where_it_is_wanted(
    tmp_path: Path, result: AttemptResult, rules: ArtifactRules, kept: list[str]
) -> None:
    test = TestCase("a", CommandBody(("x",)), cwd=str(tmp_path), artifacts=rules)

    async def tell(ends: AttemptEnds) -> None:
        await ends.tell_test(test, result, await ends.note_files(test), left(tmp_path))

    (message,) = told(tmp_path, tell)
    assert kept == names(message)
    assert [] == list(tmp_path.iterdir())


def test_globs_find_what_a_failed_command_has_written(tmp_path: Path) -> None:
    (tmp_path / "old.log").write_text("old")
    test = TestCase("a", CommandBody(("x",)), cwd=str(tmp_path), artifacts=ArtifactRules(("*.log",)))

    async def tell(ends: AttemptEnds) -> None:
        before = await ends.note_files(test)
        (tmp_path / "new.log").write_text("new")
        await ends.tell_test(test, FAILED, before, None)

    assert [["new.log"]] == [names(message) for message in told(tmp_path, tell)]


def test_a_case_that_failed_makes_a_command_that_passed_a_failed_one(tmp_path: Path) -> None:
    test = TestCase("a", CommandBody(("x",), junit="*.xml"), cwd=str(tmp_path))

    async def tell(ends: AttemptEnds) -> None:
        before = await ends.note_files(test)
        (tmp_path / "out.xml").write_text(BAD_CASE)
        await ends.tell_test(test, PASSED, before, left(tmp_path))

    cases, end = told(tmp_path, tell)
    assert isinstance(cases, CasesFound)
    assert ["a.txt"] == names(end)


def test_what_cannot_be_kept_is_a_warning_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def tell(ends: AttemptEnds) -> None:
        monkeypatch.setattr(ends.kept, "take", fail)
        ends.tell_item(FAILED, ArtifactRules(), left(tmp_path))
        await ends.settle([FAILED.key])

    (end,) = told(tmp_path, tell)
    assert isinstance(end, AttemptEnd)
    assert (Status.FAILED, ()) == (end.result.status, end.artifacts)
    assert "its artifacts could not be kept" in end.result.warnings[0]


def test_an_item_that_left_nothing_is_told_at_once_and_others_in_their_order(tmp_path: Path) -> None:
    async def tell(ends: AttemptEnds) -> None:
        other = replace(PASSED, test_id="b")
        ends.tell_item(FAILED, ArtifactRules(), left(tmp_path, "1.txt"))
        ends.tell_item(other, ArtifactRules())
        ends.tell_item(replace(FAILED, status=Status.ERROR), ArtifactRules())  # late, of the same attempt
        await ends.settle([FAILED.key, other.key])

    messages = told(tmp_path, tell)
    ended = [message.result for message in messages if isinstance(message, AttemptEnd)]
    assert [("b", "passed"), ("a", "failed"), ("a", "error")] == [(one.test_id, one.status) for one in ended]
    assert [[], ["1.txt"], []] == list(map(names, messages))


def test_only_a_command_with_a_glob_leaves_cases() -> None:
    bodies = (CommandBody(("mvn",), junit="*.xml"), CommandBody(("true",)), SimulateBody())
    assert [True, False, False] == [leaves_cases(TestCase("t", body)) for body in bodies]


def _sent(put: Callable[[Outbox[int]], Awaitable[None]]) -> list[list[int]]:
    """What was sent by the time that `put` has ended."""
    sent: list[list[int]] = []

    async def run() -> None:
        await put(Outbox(sent.append))

    asyncio.run(run())
    return sent


async def _until(question: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not question():  # noqa: ASYNC110 - what changes has no event
            await asyncio.sleep(0.001)


def test_messages_of_a_moment_travel_together_and_in_order() -> None:
    async def put(box: Outbox[int]) -> None:
        for number in range(3):
            box.put(number)
        await _until(lambda: not box._messages)

    assert [[0, 1, 2]] == _sent(put)


def test_what_keeps_coming_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a bound it would wait for a quiet moment that never comes.
    monkeypatch.setattr(telling, "QUIET_SECONDS", 1000.0)
    monkeypatch.setattr(telling, "LONGEST_SECONDS", 0.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1)
        box.put(2)
        box._flush_when_due()

    assert [[1, 2]] == _sent(put)


def test_what_is_not_due_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "LONGEST_SECONDS", 1000.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1)
        box._flush_when_due()
        assert box._messages
        await _until(lambda: not box._messages)

    assert [[1]] == _sent(put)


def test_a_flush_sends_at_once_and_only_what_there_is() -> None:
    async def put(box: Outbox[int]) -> None:
        box.flush()
        box.put(1)
        box.flush()
        box.flush()
        box.put(2)
        box.flush()

    assert [[1], [2]] == _sent(put)


def test_a_busy_message_waits_for_its_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "BUSY_QUIET_SECONDS", 1000.0)
    monkeypatch.setattr(telling, "LONGEST_BUSY_SECONDS", 1000.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1, busy=True)
        box._flush_when_due()
        assert box._messages
        # One that is not busy takes what waits along.
        box.put(2)
        await _until(lambda: not box._messages)

    assert [[1, 2]] == _sent(put)


def test_busy_messages_do_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "BUSY_QUIET_SECONDS", 1000.0)
    monkeypatch.setattr(telling, "LONGEST_BUSY_SECONDS", 1000.0)

    async def put(box: Outbox[int]) -> None:
        box.put(1)
        box.put(2, busy=True)
        await _until(lambda: not box._messages)

    assert [[1, 2]] == _sent(put)
