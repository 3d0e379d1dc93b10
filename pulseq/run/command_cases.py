"""Commands that leave JUnit files, and the tests that the cases in these are, through all attempts of a command."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from msgspec import structs

from pulseq.bounds import bound_id
from pulseq.events import AttemptStarted, Event, RunNote, TestClosed, TestExpanded
from pulseq.execution.attempt_result import measured_metrics
from pulseq.models import AttemptResult, Key, Reason, Status, TestCase
from pulseq.protocol.from_node import CasesFound
from pulseq.run.ledger import Ledger

_BAD = (Status.FAILED, Status.ERROR)


@dataclass(slots=True)
class CommandCases:
    """The tests in the files of commands that are not over yet.

    What an attempt of a command says of a case is an attempt of one test, whichever attempt said it first. These
    tests have their verdict when their command has its own, however it comes to it: what was said last. So a case
    that a later attempt did not repeat keeps what an earlier one said.
    """

    ledger: Ledger
    _found: dict[Key, CasesFound] = field(default_factory=dict)
    #: By command, then by the id that its node gave: what each of its tests was last found to be.
    _said: dict[Key, dict[str, AttemptResult]] = field(default_factory=dict)
    #: Commands of which an attempt went wrong in a way that none of its cases says.
    _untold: set[Key] = field(default_factory=set)

    def take(self, found: CasesFound) -> None:
        """Keep what was found in the files of an attempt until its result is there."""
        self._found[found.test_id, found.variant] = found

    def book(self, result: AttemptResult) -> bool:
        """The result of an attempt; whether this was all of it, since its files were told of.

        It was not where another attempt follows, or where nobody waits for this one any more.
        """
        found = self._found.pop(result.key, None)
        command = self.ledger.record.tests.get(result.key)
        if found is None or command is None or not command.awaits(result):
            return False
        self._note_all(self.ledger.case(result.key), found)
        said = self._said.get(result.key, {})
        keep = row_of_command(result, found, known=bool(said))
        if result.status in _BAD and command.retries_left:
            if keep is not None:
                self._untold.add(result.key)
            return False
        if keep is None and result.status is Status.PASSED and result.key in self._untold:
            keep = result
        if keep is None:
            self.ledger.expand(result.key, len(said))
            if lost := _told_by_no_case(result):
                self.ledger.tell(RunNote(f"{result.test_id}: {'; '.join(lost)}"))
        else:
            self.ledger.finish(keep, in_place=True)
        return True

    def follow(self, event: Event) -> None:
        """Tell the verdicts that come with that of a command, where this event is one."""
        if isinstance(event, AttemptStarted):  # what a lost attempt left is not what this one will leave
            self._found.pop((event.test_id, event.variant), None)
        elif isinstance(event, TestClosed | TestExpanded):
            self._untold.discard((event.test_id, event.variant))
            for result in self._said.pop((event.test_id, event.variant), {}).values():
                self.ledger.settle(result)

    def _note_all(self, command: TestCase, found: CasesFound) -> None:
        said = self._said.setdefault(command.key, {})
        for result in (*found.cases, *found.bad_files):
            before = said.get(result.test_id)
            # Tools list what they were not asked to run again as skipped: that takes no verdict back.
            if before is None or before.status is Status.SKIPPED or result.status is not Status.SKIPPED:
                self._note(command, found, result, before)
        for whole in found.sound:
            if (before := said.get(whole)) and before.status is not Status.PASSED:
                self._note(command, found, _well_again(before), before)
        if not said:
            del self._said[command.key]

    def _note(self, command: TestCase, found: CasesFound, result: AttemptResult, before: AttemptResult | None) -> None:
        given = result.test_id
        key = before.key if before is not None else self._plan(command, _name_of(found, given), given)
        result = structs.replace(result, test_id=key[0], attempt=self.ledger.test(key).next_attempt)
        self._said[command.key][given] = result
        self.ledger.note(result)

    def _plan(self, command: TestCase, name: str, given: str) -> Key:
        case = replace(command, id=self._unused(given, command.variant), name=name, max_retries=0)
        self.ledger.plan(case)
        return case.key

    def _unused(self, given: str, variant: str) -> str:
        """The id itself, or one with a number where a test of another origin has it."""
        unique, number = given, 1
        while self.ledger.knows((bound_id(unique), variant)):
            number += 1
            unique = f"{given}#{number}"
        return unique


def row_of_command(result: AttemptResult, found: CasesFound, *, known: bool) -> AttemptResult | None:
    """The row that a command needs itself, where its files do not tell the whole story of its last attempt.

    They do not where there are none, where none of their cases is bad though the command failed, and where it did not
    end by itself. One that passed and has written nothing anew is told by what was `known` before.
    """
    if not found.cases and not found.bad_files and not (known and result.status is Status.PASSED):
        return _without_files(result, found.trouble or "it left no JUnit file")
    bad = any(case.status in _BAD for case in found.cases)
    if bad:  # there may be very many, most often all are well
        last = {case.test_id: case.status for case in found.cases}
        bad = any(status in _BAD for status in last.values())
    if result.status is Status.PASSED or (bad and result.reason is Reason.EXIT_CODE):
        return None
    return result


def _told_by_no_case(result: AttemptResult) -> tuple[str, ...]:
    """What a command without a row said of itself, beyond its verdict."""
    own = sorted(result.metrics.keys() - measured_metrics().keys())
    kept = (f"its metrics {', '.join(own)} are not kept, since its test cases have its results",) if own else ()
    return (*kept, *result.warnings)


def _without_files(result: AttemptResult, trouble: str) -> AttemptResult:
    if result.status is not Status.PASSED:
        return result
    return structs.replace(result, status=Status.ERROR, reason=Reason.SETUP, error=trouble)


def _name_of(found: CasesFound, case_id: str) -> str:
    return found.names.get(case_id) or case_id.rsplit("::", 1)[-1]


def _well_again(before: AttemptResult) -> AttemptResult:
    """A file or a suite as a whole of which a later attempt has nothing to say."""
    return structs.replace(before, status=Status.PASSED, reason=None, error=None, warnings=())
