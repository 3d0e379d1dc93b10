"""A run from its journal without what its attempts said, which is read again where it is asked for.

What 100,000 failed tests have said does not fit into memory; a report tells them one after the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from pulseq.events import AttemptFinished
from pulseq.models import AttemptResult
from pulseq.records import RunRecord, TestRecord
from pulseq.results.codec import decode_line
from pulseq.results.journal import read_journal
from pulseq.results.regular_file import reading


class LeanReplay:
    """A run from its journal alone.

    Attributes:
        record: the run; its attempts have neither errors nor outputs.

    Raises:
        UsageError: there is no such journal.
    """

    def __init__(self, journal: Path) -> None:
        self.record = RunRecord()
        self._journal = journal
        #: Of each attempt with a text the stretch of the journal that ends with its line.
        self._places: dict[tuple[str, str, int], tuple[int, int]] = {}
        start = 0
        with reading(journal):
            for entry in read_journal(journal):
                if isinstance(entry.event, AttemptFinished):
                    self._take(entry.event.result, (start, entry.end_offset))
                else:
                    self.record.apply(entry.event)
                start = entry.end_offset

    def _take(self, result: AttemptResult, place: tuple[int, int]) -> None:
        lean = replace(result, error=None, output="") if result.error or result.output else result
        self.record.apply(AttemptFinished(lean))
        test = self.record.tests.get(result.key)
        # A late result does not count, and stands in no record.
        if test is not None and test.attempts.get(result.attempt) is lean:
            if lean is result:
                self._places.pop((*result.key, result.attempt), None)
            else:
                self._places[*result.key, result.attempt] = place

    def whole(self, test: TestRecord) -> TestRecord:
        """A test of the record with what its attempts said.

        Raises:
            UsageError: the journal is gone.
        """
        key = (test.planned.test_id, test.planned.variant)
        places = {number: self._places.get((*key, number)) for number in test.attempts}
        said = {number: self._read(place) for number, place in places.items() if place is not None}
        return dataclasses.replace(test, attempts={**test.attempts, **said}) if said else test

    def fill(self, keys: Iterable[tuple[str, str]]) -> None:
        """Have these tests in the record with what their attempts said. Raises as `whole` does."""
        for key in keys:
            self.record.tests[key] = self.whole(self.record.tests[key])

    def _read(self, place: tuple[int, int]) -> AttemptResult:
        start, end = place
        with reading(self._journal), self._journal.open("rb") as stream:
            stream.seek(start)
            line = stream.read(end - start).rstrip(b"\n").rpartition(b"\n")[2]
        event = decode_line(line).event
        assert isinstance(event, AttemptFinished)
        return event.result
