"""Journal entries as rows, flat enough to append to the tables of `schema/stage.sql`.

So go events of runs and nodes, and those tests of which a batch tells more than once (`bulk` has the others).

Within a batch the same rules hold as between batches (`schema/merge.sql`): the later entry of a key
replaces the earlier one, and a result of an attempt that had been given up goes aside as late.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from msgspec.structs import asdict

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    EntryCollected,
    NodeHealth,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Liveness, PytestWarning
from pulseq.results.codec import Entry

Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[str, str]
AttemptKey: TypeAlias = tuple[str, str, int]

#: Unix seconds that a timestamp may have: the years 1 to 9999.
_EARLIEST, _LATEST = -62_135_596_800.0, 253_402_300_799.0


@dataclass(slots=True)
class Batch:
    """Entries of one run on their way into the database."""

    run: dict[str, Any] = field(default_factory=dict)
    run_ended: bool = False
    entries: int = 0
    #: The last words on each entry, and on each of its sessions, with their time (`sessions` stores them).
    collected: dict[str, tuple[EntryCollected, int | None]] = field(default_factory=dict)
    sessions: dict[tuple[str, str], tuple[SessionFinished, int | None]] = field(default_factory=dict)
    _tests: dict[Key, Row] = field(default_factory=dict)
    _expanded: dict[Key, Row] = field(default_factory=dict)
    _running: dict[AttemptKey, Row] = field(default_factory=dict)
    _attempts: dict[AttemptKey, Row] = field(default_factory=dict)
    _given_up: set[AttemptKey] = field(default_factory=set)
    _late: dict[AttemptKey, Row] = field(default_factory=dict)
    _task_runs: dict[AttemptKey, str | None] = field(default_factory=dict)
    _verdicts: dict[Key, Row] = field(default_factory=dict)
    _nodes: dict[str, Row] = field(default_factory=dict)
    _health: list[Row] = field(default_factory=list)
    _notes: list[Row] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Take one entry in; entries come in the order of the journal."""
        self.entries += 1
        at = microseconds(entry.time)
        match entry.event:
            case AttemptFinished(result):
                self._finish(entry.seq, result)
            case AttemptStarted() as started:
                self._start(started, at)
            case TestClosed() as closed:
                self._close(closed, at)
            case TestPlanned() as planned:
                self._plan(entry.seq, planned)
            case TestExpanded() as expanded:
                self._expand((clean(expanded.test_id), clean(expanded.variant)))
            case NodeJoined() as node:
                self._join(entry.seq, node, at)
            case NodeLost(node_id, why):
                self._health.append(health_row(entry.seq, "lost", NodeHealth(node_id, Liveness.INACTIVE, why), at))
            case NodeHealth() as health:
                self._health.append(health_row(entry.seq, "poll", health, at))
            case EntryCollected() as collected:
                self.collected[clean(collected.entry)] = (collected, at)
            case SessionFinished() as session:
                self.sessions[clean(session.entry), clean(session.node_id)] = (session, at)
            case RunNote(text):
                self._notes.append((entry.seq, at, clean(text)))
            case RunStarted() | PrefectRunKnown() | RunFinished() as event:
                self._describe_run(event)

    def rows(self) -> Iterator[tuple[str, Sequence[Row]]]:
        """Each stage table with its rows, the empty ones left out."""
        staged: dict[str, Sequence[Row]] = {
            "odd_tests": [*self._tests.values()],
            "stage_expanded": [*self._expanded.values()],
            "odd_running": [*self._running.values()],
            "odd_attempts": [*self._attempts.values(), *self._late.values()],
            "odd_verdicts": [*self._verdicts.values()],
            "stage_nodes": [*self._nodes.values()],
            "stage_node_health": self._health,
            "stage_run_notes": self._notes,
        }
        return ((table, rows) for table, rows in staged.items() if rows)

    def _start(self, started: AttemptStarted, at: int | None) -> None:
        key = (clean(started.test_id), clean(started.variant), started.attempt)
        task_run = clean_or_none(started.task_run)
        self._task_runs[key] = task_run
        self._running[key] = (*key, clean(started.node_id), task_run, at)

    def _finish(self, seq: int, result: AttemptResult) -> None:
        key = (clean(result.test_id), clean(result.variant), result.attempt)
        self._running.pop(key, None)
        late = key in self._given_up
        row = _attempt_row(seq, late, key, result, self._task_runs.get(key))
        (self._late if late else self._attempts)[key] = row
        if result.reason in INFRASTRUCTURE_REASONS:
            self._given_up.add(key)

    def _close(self, closed: TestClosed, at: int | None) -> None:
        key = (clean(closed.test_id), clean(closed.variant))
        self._drop_running(key)
        outcome = (closed.status.value, closed.reason and closed.reason.value, closed.flaky, closed.attempts)
        self._verdicts[key] = (*key, *outcome, clean_or_none(closed.node_id), clean_or_none(closed.error), at)

    def _plan(self, seq: int, planned: TestPlanned) -> None:
        key = (clean(planned.test_id), clean(planned.variant))
        words = (clean(planned.name), clean(planned.body), clean(planned.priority), clean_or_none(planned.location))
        more = (planned.expected_seconds, json_text(planned.requirements), clean_or_none(planned.whole_id))
        self._tests.setdefault(key, (seq, *key, *words, *more))

    def _expand(self, test_key: Key) -> None:
        self._expanded[test_key] = test_key
        self._tests.pop(test_key, None)
        self._verdicts.pop(test_key, None)
        self._drop_running(test_key)
        for rows in (self._attempts, self._late):
            for attempt_key in [known for known in rows if known[:2] == test_key]:
                del rows[attempt_key]
        self._given_up = {known for known in self._given_up if known[:2] != test_key}

    def _join(self, seq: int, node: NodeJoined, at: int | None) -> None:
        node_id = clean(node.node_id)
        self._nodes[node_id] = (node_id, clean(node.host), node.slots, json_text(node.capabilities), at)
        self._health.append(health_row(seq, "joined", NodeHealth(node.node_id, Liveness.ACTIVE, slots=node.slots), at))

    def _describe_run(self, event: RunStarted | PrefectRunKnown | RunFinished) -> None:
        match event:
            case RunStarted():
                self.run.setdefault("suite", clean(event.suite))
                self.run.setdefault("version", clean(event.version))
                self.run.setdefault("started_at", microseconds(event.started_at))
                self.run.setdefault("options", json_text(event.options))
            case PrefectRunKnown():
                self.run |= {"flow_run_id": clean(event.flow_run_id), "prefect_url": clean_or_none(event.url)}
            case RunFinished():
                self.run |= {"finished_at": microseconds(event.finished_at), "wall_seconds": event.wall_seconds}
                self.run |= {"exit_code": event.exit_code, "exit_reason": clean(event.reason)}
                self._running.clear()
                self.run_ended = True

    def _drop_running(self, test_key: Key) -> None:
        for key in [known for known in self._running if known[:2] == test_key]:
            del self._running[key]


def _attempt_row(seq: int, late: bool, key: AttemptKey, result: AttemptResult, task_run: str | None) -> Row:
    return (
        seq,
        late,
        *key,
        clean(result.node_id),
        result.status.value,
        result.reason and result.reason.value,
        microseconds(result.started_at),
        result.duration,
        result.queue_seconds,
        clean_or_none(result.error),
        clean(result.output),
        result.output_bytes,
        result.exit_code,
        result.signal,
        json_text(result.metrics),
        result.simulated,
        result.leaked_processes,
        json_text(result.warnings),
        task_run,
        warnings_text(result.pytest_warnings) if result.pytest_warnings else None,
        clean_or_none(result.xpassed),
        json_text(result.properties) if result.properties else None,
        json_text(result.subtests) if result.subtests else None,
        result.rerun,
    )


def health_row(seq: int, event: str, health: NodeHealth, at: int | None) -> Row:
    """The row of `node_health`, without its run."""
    return (
        seq,
        clean(health.node_id),
        at,
        event,
        health.liveness.value,
        clean_or_none(health.why),
        clean_or_none(health.scheduler or None),
        clean_or_none(health.address),
        health.latency,
        health.heartbeat_age,
        health.load,
        health.memory_available,
        health.memory_total,
        health.disk_free,
        health.disk_total,
        health.slots,
        health.running,
    )


def microseconds(seconds: float) -> int | None:
    """Unix seconds as microseconds; None for what no calendar has."""
    return round(seconds * 1e6) if _EARLIEST <= seconds <= _LATEST else None


def clean(text: str) -> str:
    """Text that DuckDB can hold: a lone surrogate becomes its escape, `\\udc80` in six characters."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def clean_or_none(text: str | None) -> str | None:
    """`clean`, and None as it is."""
    return None if text is None else clean(text)


def json_text(value: object) -> str:
    """JSON text of a mapping or list; text in it as `clean` has it."""
    return _JSON.encode(_cleaned(value))


def warnings_text(warnings: Sequence[PytestWarning]) -> str:
    """`json_text` of warnings, each an object."""
    return json_text([asdict(warning) for warning in warnings])


def _cleaned(value: object) -> object:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {clean(str(key)): _cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item) for item in value]
    return value


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
