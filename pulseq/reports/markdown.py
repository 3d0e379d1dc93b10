"""A run as a page of Markdown, for where Markdown is shown: the artifact of its flow run, for one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pulseq.records import RunRecord
from pulseq.reports.artifact_picture import data_uri, draw_run
from pulseq.reports.shares import share_nodes
from pulseq.reports.tally import count_verdicts
from pulseq.reports.text import gist, last_lines, safe_line
from pulseq.reports.verdicts import (
    Verdict,
    error_of,
    judged,
    kept_from_verdict,
    own_failures,
    say_circumstances,
    say_first_failure,
    verdicts_of,
)
from pulseq.reports.wording import say_seconds, say_test, say_verdict

_FAILURES = 20
_ROWS = 20
_SLOWEST = 10
_ERROR_LINES = 12
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
    verdicts = verdicts_of(record)
    parts = [
        _headline(record),
        _picture(record),
        _failures(verdicts),
        _without_verdict(verdicts),
        _flaky(verdicts),
        _slowest(verdicts),
        _nodes(record),
        _notes(record.notes),
        _places(record, locations or {}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(record: RunRecord) -> str:
    tally = count_verdicts(record)
    unfinished = len(record.tests) - tally.closed
    told = [f"**{tally.say()}**", *([f"{unfinished} not finished"] if unfinished else [])]
    if record.finished:
        told.append(say_seconds(record.finished.wall_seconds))
    name = plain(record.started.suite) if record.started else "a run"
    return f"# {name}\n\n{' · '.join(told)}"


def _picture(record: RunRecord) -> str:
    svg = draw_run(record)
    return f"![nodes over time, and durations]({data_uri(svg)})" if svg else ""


def _failures(verdicts: Sequence[Verdict]) -> str:
    bad = own_failures(verdicts)
    if not bad:
        return ""
    parts = [f"## {_count(len(bad), 'failure')}"]
    for test, closed in bad[:_FAILURES]:
        said = last_lines(error_of(test, closed), _ERROR_LINES, 300)
        parts.append(f"**{plain(say_test(closed.test_id, closed.variant))}** {plain(say_verdict(closed))}  ")
        parts[-1] += f"\n{plain(say_circumstances(test, closed))}"
        parts += [fenced(said)] if said else []
    parts += _more(len(bad) - _FAILURES)
    return "\n\n".join(parts)


def _without_verdict(verdicts: Sequence[Verdict]) -> str:
    lost = kept_from_verdict(verdicts)
    rows = (
        (say_test(closed.test_id, closed.variant), str(closed.reason), " ".join(gist(closed.error or "", 1)))
        for _, closed in lost[:_ROWS]
    )
    return _table("No verdict of their own", ("test", "reason", "why"), rows, len(lost))


def _flaky(verdicts: Sequence[Verdict]) -> str:
    found = [(test, closed) for test, closed in verdicts if closed.flaky]
    rows = (
        (say_test(closed.test_id, closed.variant), str(closed.attempts), say_first_failure(test))
        for test, closed in found[:_ROWS]
    )
    return _table("Flaky", ("test", "attempts", "first"), rows, len(found))


def _slowest(verdicts: Sequence[Verdict]) -> str:
    lasts = (last for test, _ in judged(verdicts) if (last := test.last))
    ran = sorted(lasts, key=lambda last: (-last.duration, last.test_id))
    rows = ((say_test(last.test_id, last.variant), last.node_id, say_seconds(last.duration)) for last in ran[:_SLOWEST])
    return _table("Slowest", ("test", "node", "took"), rows, min(len(ran), _SLOWEST))


def _nodes(record: RunRecord) -> str:
    shares = share_nodes(record)
    rows = (
        (
            f"{share.node_id}{' (lost)' if share.lost else ''}",
            str(share.tests),
            say_seconds(share.busy_seconds),
            f"{min(share.utilisation, 1.0):.0%}",
        )
        for share in shares[:_ROWS]
    )
    return _table("Nodes", ("node", "tests", "busy", "use of its slots"), rows, len(shares))


def _notes(notes: Sequence[str]) -> str:
    told = "\n".join(f"- {plain(note)}" for note in notes[:_ROWS])
    return f"## Notes\n\n{told}" if told else ""


def _places(record: RunRecord, locations: Mapping[str, str]) -> str:
    told = [f"- {plain(word)}: {plain(place)}" for word, place in locations.items()]
    if record.started:
        told.insert(0, f"- run: {plain(record.started.run_id)}")
    return "## Where\n\n" + "\n".join(told) if told else ""


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], total: int) -> str:
    lines = [f"| {' | '.join(plain(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    head = [f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *lines, *(f"\n{line}" for line in _more(total - len(lines)))])


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"… and {count} more"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
