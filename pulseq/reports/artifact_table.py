"""The tests of a run that went wrong as rows of a table that other programs show."""

from __future__ import annotations

from pulseq.records import RunRecord
from pulseq.reports.run_digest import RunDigest
from pulseq.safe_text import safe_line

#: Rows that a page shows without delay; the database has all.
MOST_ROWS = 500


def list_failures(record: RunRecord, limit: int = MOST_ROWS) -> list[dict[str, str | int | float]]:
    """Tests that failed or had an error, as many as the tally of the run counts, in the order of the plan.

    Of each: verdict, node, attempts, seconds, what was said.
    """
    bad = [one for one in RunDigest(record).judged if one.is_bad]
    return [
        {
            "test": _shown(one.name),
            "verdict": one.verdict,
            "node": _shown(safe_line(one.closed.node_id or "", 100)),
            "attempts": one.closed.attempts,
            "seconds": round(one.last.duration, 3) if one.last else 0.0,
            "said": _shown(one.gist()),
        }
        for one in bad[:limit]
    ]


def _shown(text: str) -> str:
    # Prefect's pages take a cell for HTML.
    return text.replace("&", "&amp;").replace("<", "&lt;")
