"""What is told of an attempt, and when, where it left files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pulseq.artifacts import ArtifactRules
from pulseq.background import Background
from pulseq.models import AttemptResult, CommandBody, Reason, SimulateBody, Status, TestCase
from pulseq.node.attempt_ends import AttemptEnds, leaves_cases
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
