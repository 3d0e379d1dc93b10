"""The JUnit files that a command left behind on its node, as results of tests."""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pulseq.bounds import MOST_ERROR_CHARACTERS, bound_text
from pulseq.execution.runtime.blotting import Blotter
from pulseq.execution.runtime.found_files import FoundFile, Mark, find_files
from pulseq.models import AttemptResult, CommandBody, Reason, Status, TestCase
from pulseq.node.junit_builder import WHOLE_SUITE, JunitCase, JunitTry
from pulseq.node.junit_words import say_shortly
from pulseq.node.read_junit import read_junit
from pulseq.protocol.from_node import CasesFound

_REASONS = {Status.FAILED: Reason.ASSERTION, Status.ERROR: Reason.EXCEPTION, Status.SKIPPED: Reason.SKIP}
_SAY_WHY = frozenset({Status.FAILED, Status.ERROR})


def leaves_cases(test: TestCase) -> bool:
    """Whether the cases in JUnit files are to become tests."""
    return isinstance(test.body, CommandBody) and bool(test.body.junit)


def note_files(test: TestCase) -> frozenset[Mark]:
    """The files that match the test's `junit` glob before its body starts: an earlier test's, or attempt's."""
    return frozenset(file.mark for file in _find(test))


def find_cases(
    test: TestCase, result: AttemptResult, before: AbstractSet[Mark], blotter: Blotter | None = None
) -> CasesFound:
    """The cases in the files that match the test's `junit` glob and that this attempt wrote.

    A case's id is `test id::classname::name`; its numbers beyond its time are unknown, so it has no
    CPU or memory metrics of its own. A file that is not whole is a result of its own, `test id::[path]`.

    Args:
        before: what `note_files` found before the body started.
        blotter: blots secrets out of ids and texts.
    """
    files = _find(test)
    new = [file for file in files if file.mark not in before]
    if not new:
        return CasesFound(test.id, test.variant, (), _nothing_new(test, len(files)))
    cases = _Cases(test, result, blotter)
    for file in new:
        cases.read(file)
    trouble = None if cases.results or cases.bad_files else "the JUnit files hold no test case"
    return CasesFound(
        test.id, test.variant, tuple(cases.results), trouble, tuple(cases.bad_files), cases.sound, cases.names
    )


def _find(test: TestCase) -> list[FoundFile]:
    assert isinstance(test.body, CommandBody)
    return find_files(test.body.junit or "", test.cwd)


def _nothing_new(test: TestCase, old: int) -> str:
    assert isinstance(test.body, CommandBody)
    glob = test.body.junit or ""
    told = f"no file written by this attempt matches {glob!r}"
    match old:
        case 0 if os.path.isdir(os.path.join(test.cwd, glob)):
            return f"{told}, which is a directory: {os.path.join(glob, '**', '*.xml')!r} has the files in it"
        case 0:
            return told
        case 1:
            return f"{told}; 1 file of before it does: have the tool write it again"
    return f"{told}; {old} files of before it do: have the tool write them again"


@dataclass(slots=True)
class _Cases:
    """Results for the cases of one attempt, file by file."""

    test: TestCase
    result: AttemptResult
    blotter: Blotter | None = None
    results: list[AttemptResult] = field(default_factory=list)
    bad_files: list[AttemptResult] = field(default_factory=list)
    #: The names of cases, by id, where they are not what follows its last `::`.
    names: dict[str, str] = field(default_factory=dict)
    _sound: dict[str, None] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def read(self, file: FoundFile) -> None:
        """Take in the cases of a file, and its trouble."""
        name = self._blot(_shown(file.path, self.test.cwd))
        found = read_junit(file.path, shown=name)
        file_id = _join(self.test.id, f"[{name}]")
        if found.trouble is None:
            self._sound[file_id] = None
        else:
            said = JunitTry(Status.ERROR, found.trouble)
            self.bad_files.append(self._result(_tell_apart(file_id, self._seen), said, Reason.SETUP))
        for case in found.cases:
            self._take(case)

    @property
    def sound(self) -> tuple[str, ...]:
        """The ids that files and suites as a whole would have, of those about which there is nothing to say."""
        return tuple(one for one in self._sound if one not in self._seen)

    def _take(self, case: JunitCase) -> None:
        group, suite = self._blot(case.classname or case.suite), self._blot(case.suite)
        name = self._blot(case.name) or (WHOLE_SUITE if group and case.status is not Status.PASSED else "unnamed")
        self._sound |= {_join(self.test.id, whole, WHOLE_SUITE): None for whole in (group, suite) if whole}
        plain = _join(self.test.id, group, name)
        case_id = _tell_apart(plain, self._seen)
        if "::" in name:
            self.names[case_id] = name + case_id[len(plain) :]
        decides = JunitTry(case.status, case.message, case.text, case.time)
        self.results += [self._result(case_id, one, _REASONS.get(one.status)) for one in case.tries]
        self.results.append(self._result(case_id, decides, _REASONS.get(case.status), case.warnings))

    def _blot(self, text: str) -> str:
        return text if self.blotter is None else self.blotter.blot(text)

    def _result(
        self, case_id: str, said: JunitTry, reason: Reason | None, warnings: tuple[str, ...] = ()
    ) -> AttemptResult:
        message, text = self._blot(said.message), self._blot(said.text)
        return AttemptResult(
            case_id,
            self.result.attempt,
            self.result.node_id,
            said.status,
            self.test.variant,
            reason,
            started_at=self.result.started_at,
            duration=said.time,
            error=bound_text("\n".join(part for part in (message, text) if part), MOST_ERROR_CHARACTERS) or None,
            short=say_shortly(message, text) if said.status in _SAY_WHY else None,
            metrics={"duration": said.time, "response_time": said.time},
            warnings=warnings,
        )


def _shown(path: str, cwd: str) -> str:
    """A path as a person has it: below the test's directory, and in characters that can be written."""
    below = os.path.relpath(path, cwd)
    return os.fsencode(path if below.startswith(os.pardir) else below).decode("utf-8", "backslashreplace")


def _join(*parts: str) -> str:
    return "::".join(part for part in parts if part)


def _tell_apart(name: str, seen: dict[str, int]) -> str:
    """The name itself, or the name and a number that nothing has yet; `seen` counts each name."""
    unique = name
    while unique in seen:
        seen[name] += 1
        unique = f"{name}#{seen[name]}"
    seen[unique] = 1
    return unique
