"""What a run leaves behind for whoever asked for it."""

from __future__ import annotations

from pulseq.errors import ExitCode
from pulseq.records import RunRecord
from pulseq.run.run_session import RunOutcome


def test_the_text_of_an_outcome_leaves_its_record_out() -> None:
    assert "record" not in repr(RunOutcome(ExitCode.OK, RunRecord()))
