"""A run as a page of Markdown, for where Markdown is shown: the artifact of its flow run, for one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pulseq.records import RunRecord
from pulseq.reports.artifact_picture import data_uri, draw_run
from pulseq.reports.left_behind import say_left
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.wording import say_count, say_seconds, say_test
from pulseq.safe_text import gist, last_lines, safe_line

_FAILURES = 20
_ROWS = 20
_SLOWEST = 10
_ERROR_LINES = 12
_LEFT = 10
_SPECIAL = re.compile(r"([\\`*_\[\]|~>]|^\s*[#+=-])")


def plain(text: str) -> str:
    """Text of strangers as Markdown that shows it as it is, on one line."""
    safe = safe_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", safe)


def fenced(lines: Sequence[str]) -> str:
    """Lines as a block of code that nothing in them can end."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def render_markdown(record: RunRecord, *, locations: Mapping[str, str] | None = None) -> str:
    """What a run came to: counts, a picture, failures, flaky and slow tests, nodes.

    Its size is bounded, whatever the size of the run; the picture is in it as a data address.

    Args:
        record: the run, complete or not.
        locations: where the results are, by the word for each (journal, database).
    """
    run = RunDigest(record)
    parts = [
        _headline(run),
        _picture(run),
        _failures(run),
        _table(
            "No verdict of their own",
            ("test", "reason", "why"),
            [
                (one.name, str(one.closed.reason), " ".join(gist(one.closed.error or "", 1)))
                for one in run.without_verdict[:_ROWS]
            ],
            len(run.without_verdict),
        ),
        _table(
            "Flaky",
            ("test", "attempts", "first"),
            [(one.name, str(one.closed.attempts), one.first_failure) for one in run.flaky[:_ROWS]],
            len(run.flaky),
        ),
        _table(
            "Slowest",
            ("test", "node", "took"),
            [
                (say_test(one.test_id, one.variant), one.node_id, say_seconds(one.duration))
                for one in run.slowest[:_SLOWEST]
            ],
        ),
        _table(
            "Nodes",
            ("node", "tests", "busy", "use of its slots"),
            [
                (
                    f"{one.node_id}{' (lost)' if one.lost else ''}",
                    str(one.tests),
                    say_seconds(one.busy_seconds),
                    f"{min(one.utilisation, 1.0):.0%}",
                )
                for one in run.nodes[:_ROWS]
            ],
            len(run.nodes),
        ),
        _notes(record.notes),
        _places(record, locations or {}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(run: RunDigest) -> str:
    record, unfinished = run.record, len(run.unfinished)
    told = [f"**{run.tally.say()}**", *([f"{unfinished} not finished"] if unfinished else [])]
    if record.finished:
        told.append(say_seconds(record.finished.wall_seconds))
    name = plain(record.started.suite) if record.started else "a run"
    return f"# {name}\n\n{' · '.join(told)}"


def _picture(run: RunDigest) -> str:
    svg = draw_run(run)
    return f"![nodes over time, and durations]({data_uri(svg)})" if svg else ""


def _failures(run: RunDigest) -> str:
    bad = run.failures
    if not bad:
        return ""
    parts = [f"## {say_count(len(bad), 'failure')}"]
    for one in bad[:_FAILURES]:
        said = last_lines(one.error, _ERROR_LINES, 300)
        parts.append(f"**{plain(one.name)}** {plain(one.verdict)}  \n{plain(one.circumstances)}")
        parts += [fenced(said)] if said else []
        left = say_left(run.left_by(one.key), _LEFT)
        parts += [f"left {plain(left)}"] if left else []
    parts += _more(len(bad) - _FAILURES)
    return "\n\n".join(parts)


def _notes(notes: Sequence[str]) -> str:
    told = "\n".join(f"- {plain(note)}" for note in notes[:_ROWS])
    return f"## Notes\n\n{told}" if told else ""


def _places(record: RunRecord, locations: Mapping[str, str]) -> str:
    told = [f"- {plain(word)}: {plain(place)}" for word, place in locations.items()]
    if record.started:
        told.insert(0, f"- run: {plain(record.started.run_id)}")
    return "## Where\n\n" + "\n".join(told) if told else ""


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], total: int = 0) -> str:
    lines = [f"| {' | '.join(plain(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    head = [f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *lines, *(f"\n{line}" for line in _more(total - len(lines)))])


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"… and {count} more"
