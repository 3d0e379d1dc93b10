"""What a journal tells of its run and of nodes, as rows flat enough to append to the tables of `schema/stage.sql`.

DuckDB reads the events of tests (`bulk`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias

from msgspec.structs import asdict

from pulseq.artifacts import Artifact
from pulseq.events import (
    ArtifactsKept,
    EntryCollected,
    NodeHealth,
    NodeJoined,
    NodeLost,
    NodeMarked,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestExpanded,
)
from pulseq.marks import NodeMark
from pulseq.models import Liveness, PytestWarning
from pulseq.results.codec import JournalEntry

Row: TypeAlias = tuple[Any, ...]

#: Unix seconds that a timestamp may have: the years 1 to 9999.
_EARLIEST, _LATEST = -62_135_596_800.0, 253_402_300_799.0
_NUMBERS_OF_HEALTH: Callable[[NodeHealth], tuple[float | None, ...]] = attrgetter(
    *("latency", "heartbeat_age", "load", "memory_available", "memory_total", "disk_free", "disk_total"),
    *("slots", "running"),
)
_NUMBERS_OF_LINK: Callable[[NodeHealth], tuple[float | None, ...]] = attrgetter(
    *("clock_offset", "clock_uncertainty", "latency_p50", "link_breaks", "leaked_processes", "stray_processes"),
    *("store_free", "store_total"),
)


@dataclass(slots=True)
class RunEvents:
    """Entries of one run, other than those of its tests, on their way into the database.

    Attributes:
        run: columns of its row.
        collected, sessions: the last words on each entry, and on each of its sessions, with their time.
        rows: those of each stage table.
    """

    run: dict[str, Any] = field(default_factory=dict)
    run_ended: bool = False
    entries: int = 0
    collected: dict[str, tuple[EntryCollected, int | None]] = field(default_factory=dict)
    sessions: dict[tuple[str, str], tuple[SessionFinished, int | None]] = field(default_factory=dict)
    rows: defaultdict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: JournalEntry) -> None:
        """Take one entry in; entries come in the order of the journal."""
        self.entries += 1
        seq, at = entry.seq, microseconds(entry.time)
        match entry.event:
            case TestExpanded() as expanded:
                self.rows["stage_expanded"].append((seq, clean(expanded.test_id), clean(expanded.variant)))
            case NodeJoined() as node:
                words = (clean(node.node_id), clean(node.host), node.slots, json_text(node.capabilities))
                more = (clean_or_none(node.incarnation), json_text(node.labels))
                self.rows["stage_nodes"].append((seq, *words, at, *more))
                health = NodeHealth(
                    node.node_id, Liveness.ACTIVE, slots=node.slots, incarnation=node.incarnation, host=node.host
                )
                self._look(seq, "joined", health, at)
            case NodeLost(node_id, why):
                self._look(seq, "lost", NodeHealth(node_id, Liveness.INACTIVE, why), at)
            case NodeHealth() as health:
                self._look(seq, "poll", health, at)
            case NodeMarked(mark):
                self.rows["stage_node_marks"].append(_mark_row(seq, mark, at))
            case ArtifactsKept() as kept:
                key = (seq, clean(kept.test_id), clean(kept.variant), kept.attempt, clean(kept.node_id))
                self.rows["stage_artifacts"] += [(*key, *_artifact_row(file)) for file in kept.files]
            case RunNote(text):
                self.rows["stage_run_notes"].append((seq, at, clean(text)))
            case EntryCollected() as collected:
                self.collected[clean(collected.entry)] = (collected, at)
            case SessionFinished() as session:
                self.sessions[clean(session.entry), clean(session.node_id)] = (session, at)
            case RunStarted() as started:
                self.run.setdefault("suite", clean(started.suite))
                self.run.setdefault("version", clean(started.version))
                self.run.setdefault("started_at", microseconds(started.started_at))
                self.run.setdefault("options", json_text(started.options))
            case PrefectRunKnown() as known:
                self.run |= {"flow_run_id": clean(known.flow_run_id), "prefect_url": clean_or_none(known.url)}
            case RunFinished() as finished:
                self.run |= {"finished_at": microseconds(finished.finished_at), "wall_seconds": finished.wall_seconds}
                self.run |= {"exit_code": finished.exit_code, "exit_reason": clean(finished.reason)}
                self.run_ended = True

    def _look(self, seq: int, event: str, health: NodeHealth, at: int | None) -> None:
        self.rows["stage_node_health"].append(_health_row(seq, event, health, at))


def _health_row(seq: int, event: str, health: NodeHealth, at: int | None) -> Row:
    words = (clean_or_none(health.why), clean_or_none(health.scheduler or None), clean_or_none(health.address))
    who = (clean_or_none(health.incarnation), clean_or_none(health.host))
    versions = (clean_or_none(health.version), clean_or_none(health.python), health.protocol)
    numbers = _NUMBERS_OF_HEALTH(health)
    state = (event, health.liveness.value)
    return (seq, clean(health.node_id), at, *state, *words, *numbers, *who, *_NUMBERS_OF_LINK(health), *versions)


def _mark_row(seq: int, mark: NodeMark, at: int | None) -> Row:
    words = (mark.state.value, clean_or_none(mark.why or None), clean_or_none(mark.who or None))
    return (seq, clean(mark.node_id), at, *words, microseconds(mark.at))


def _artifact_row(file: Artifact) -> Row:
    words = (file.sha256, clean(file.media_type), clean_or_none(file.trouble))
    return (clean(file.name), clean_or_none(file.path), file.bytes, *words)


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
