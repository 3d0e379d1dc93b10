"""What attempts said, from the journal: the driver keeps the texts of the first few hundred alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pulseq.events import AttemptFinished
from pulseq.records import RunRecord
from pulseq.results.codec import DamagedLine, decode_line

#: The start of an attempt's line, up to the id of its test.
_ATTEMPT = re.compile(
    rb'\{"seq":\d+,"time":[^,]+,"kind":"attempt_finished","data":\{"result":\{"test_id":("(?:[^"\\]|\\.)*")'
)


def restore_texts(record: RunRecord, keys: Iterable[tuple[str, str]], journal: Path) -> None:
    """Give the attempts of these tests in a record their texts back; where the journal is gone they stay without."""
    wanted = {key for key in keys if key in record.tests}
    ids = {test_id for test_id, _ in wanted}
    if not wanted:
        return
    with suppress(OSError), journal.open("rb") as stream:
        for line in stream:
            found = _ATTEMPT.match(line)
            if found is None or json.loads(found[1]) not in ids:
                continue
            with suppress(DamagedLine):
                event = decode_line(line).event
                if isinstance(event, AttemptFinished) and event.result.key in wanted:
                    _give_back(record, event)


def _give_back(record: RunRecord, event: AttemptFinished) -> None:
    test, result = record.tests[event.result.key], event.result
    known = test.attempts.get(result.attempt)
    # A late result has another reason; what does not count in the record does not speak for it.
    if known is not None and (known.status, known.reason, known.started_at) == (
        result.status,
        result.reason,
        result.started_at,
    ):
        test.attempts = {**test.attempts, result.attempt: result}
