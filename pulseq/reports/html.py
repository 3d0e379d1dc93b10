"""A run as one HTML page that needs nothing but itself: no request leaves it, and it works from a file.

The page holds text from the code under test. It is escaped by the template, made
visible where it would hide or turn something, and kept from running by the page's
own content security policy, which allows one style and one script by their hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from pulseq.artifacts import say_size
from pulseq.errors import ExitCode
from pulseq.models import Key
from pulseq.records import RunRecord
from pulseq.reports.html_artifacts import ShownArtifacts
from pulseq.reports.html_pytest import tell_properties, tell_sessions
from pulseq.reports.html_tests import tell_tests
from pulseq.reports.left_behind import ArtifactPlace
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.shares import NodeWork
from pulseq.reports.some import Some
from pulseq.reports.timeline import KINDS, kind_of
from pulseq.reports.wording import say_capabilities, say_clock, say_place, say_seconds, say_test
from pulseq.safe_text import gist, safe_line

_NODE_ROWS = 500
_NOTES = 200
_WARNINGS = 200
_NAME_CHARACTERS = 160
_KIND_OF_EXIT = {
    ExitCode.OK: "passed",
    ExitCode.TESTS_FAILED: "failed",
    ExitCode.GATE_FAILED: "failed",
    ExitCode.NOTHING_TO_RUN: "skipped",
}


def write_html(
    record: RunRecord,
    stream: BinaryIO,
    *,
    locations: Mapping[str, str] | None = None,
    place: ArtifactPlace | None = None,
) -> None:
    """Write the page of a run, complete or not, to `stream` as UTF-8.

    Its size is bounded: of very many tests those that went wrong and the slowest
    are told, short attempts share a bar of the timeline, long texts lose their middle.

    Args:
        record: the run.
        stream: takes bytes; not closed.
        locations: where the results are, by the word for each (journal, database, junit).
        place: where artifacts are, and the page; small pictures are in it, and all else has a link.
    """
    environment, run = _environment(), RunDigest(record)
    page = environment.get_template("report.html").render(
        run=run,
        page=_describe(run, locations or {}, place),
        style_hash=_hash(environment, "report.css"),
        script_hash=_hash(environment, "report.js"),
        kinds=KINDS,
    )
    stream.write(page.encode())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pulseq.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "line": safe_line,
        "seconds": say_seconds,
        "clock": say_clock,
        "size": say_size,
        "kind": kind_of,
        "gist": _gist,
        "test_name": _name,
    }
    return environment


def _gist(error: str | None, count: int) -> str:
    return " · ".join(line.strip() for line in gist(error or "", count, 300))


def _name(test: Key) -> str:
    return say_test(*test, _NAME_CHARACTERS)


def _hash(environment: Environment, name: str) -> str:
    """What a content security policy calls a file of ours that goes into the page."""
    source = environment.get_template(name).render()
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def _describe(run: RunDigest, locations: Mapping[str, str], place: ArtifactPlace | None) -> dict[str, Any]:
    """What the template is given, besides what the run came to."""
    started, finished = run.record.started, run.record.finished
    kind, verdict = _judge(run.record)
    left = ShownArtifacts(run, place)
    return {
        "title": safe_line(started.suite) if started else "a run",
        "run_id": safe_line(started.run_id) if started else "",
        "version": safe_line(started.version, 40) if started else "",
        "kind": kind,
        "verdict": verdict,
        "started": _moment(started.started_at) if started else None,
        "wall": say_seconds(finished.wall_seconds) if finished else "",
        "tests": tell_tests(run, left),
        "left": left.elsewhere(),
        "warnings": Some.of(run.warnings, _WARNINGS),
        "sessions": tell_sessions(run),
        "properties": tell_properties(run),
        "nodes": Some.of(run.nodes, _NODE_ROWS, lambda work: _node(run.record, work)),
        "notes": Some.of(run.record.notes, _NOTES),
        "places": _places(run.record, locations),
    }


def _judge(record: RunRecord) -> tuple[str, str]:
    """The run's verdict as a kind, which decides on the colour, and a word."""
    if record.finished is None:
        return "error", "not finished"
    kind = next((kind for code, kind in _KIND_OF_EXIT.items() if code == record.finished.exit_code), "error")
    return kind, safe_line(record.finished.reason.replace("_", " "), 60)


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _node(record: RunRecord, work: NodeWork) -> tuple[NodeWork, str, str | None]:
    """A node's work, what it offers and where it is, and why it was lost if it was."""
    node = record.nodes.get(work.node_id)
    told = (say_capabilities(node.capabilities), say_place(node, record.health.get(work.node_id))) if node else ()
    lost = next((event.why for event in reversed(record.lost) if event.node_id == work.node_id), None)
    return work, "; ".join(filter(None, told)), None if lost is None else safe_line(lost)


def _places(record: RunRecord, locations: Mapping[str, str]) -> list[tuple[str, str, str | None]]:
    """Where the results are: a word, the place, and a link where it is one that is safe to follow."""
    places: list[tuple[str, str, str | None]] = [
        (safe_line(word, 40), safe_line(place, 1000), None) for word, place in locations.items()
    ]
    known = record.prefect
    if known is None:
        return places
    link = _web_link(known.url) if known.url else None
    return [*places, ("flow run", safe_line(known.url or known.flow_run_id, 1000), link)]


def _web_link(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return safe_line(url, 1000) if parts.scheme in ("http", "https") and parts.netloc else None
