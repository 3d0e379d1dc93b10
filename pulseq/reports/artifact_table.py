"""The tests of a run that went wrong as rows of a table that other programs show."""

from __future__ import annotations

from pulseq.models import Status
from pulseq.records import RunRecord
from pulseq.reports.text import safe_line
from pulseq.reports.verdicts import gist_of, judged, verdicts_of
from pulseq.reports.wording import say_test, say_verdict

#: Rows that a page shows without delay; the database has all.
MOST_ROWS = 500


def list_failures(record: RunRecord, limit: int = MOST_ROWS) -> list[dict[str, str | int | float]]:
    """Tests that failed or had an error, as many as the tally of the run counts, in the order of the plan.

    Of each: verdict, node, attempts, seconds, what was said.
    """
    bad = [one for one in judged(verdicts_of(record)) if one[1].status in (Status.FAILED, Status.ERROR)]
    return [
        {
            "test": _shown(say_test(closed.test_id, closed.variant)),
            "verdict": say_verdict(closed),
            "node": _shown(safe_line(closed.node_id or "", 100)),
            "attempts": closed.attempts,
            "seconds": round(test.last.duration, 3) if test.last else 0.0,
            "said": _shown(gist_of(test, closed)),
        }
        for test, closed in bad[:limit]
    ]


def _shown(text: str) -> str:
    # Prefect's pages take a cell for HTML.
    return text.replace("&", "&amp;").replace("<", "&lt;")
