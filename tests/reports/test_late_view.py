"""A view that is made late, and may fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.events import Event, RunNote
from pulseq.reports.late_view import LateView
from pulseq.run.event_log import EventLog
from tests.journals import replay


class Told:
    """A view that notes what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def start(self) -> None:
        self.words.append("start")

    def keep_drawing(self) -> None:
        self.words.append("draw")

    def handle(self, event: Event) -> None:
        assert isinstance(event, RunNote)
        self.words.append(event.text)

    def tick(self) -> None:
        self.words.append("tick")

    def stop(self) -> None:
        self.words.append("stop")


def test_a_view_begins_with_the_first_event_and_misses_none() -> None:
    view = Told()
    late = LateView(lambda: view)

    late.tick()
    for text in ("one", "two"):
        late.handle(RunNote(text))
    late.keep_drawing()
    late.tick()
    late.stop()

    assert view.words == ["one", "start", "two", "draw", "tick", "stop"]


def test_a_view_of_a_run_that_never_began_is_not_made() -> None:
    made: list[Told] = []

    def make() -> Told:
        made.append(Told())
        return made[-1]

    late = LateView(make)
    late.tick()
    late.stop()

    assert made == []


METHODS = ("start", "keep_drawing", "tick", "handle", "stop")


def failing_in(method: str) -> Told:
    def fail(*_: object) -> None:
        raise KeyError(method)

    view = Told()
    setattr(view, method, fail)
    return view


@pytest.mark.parametrize("method", METHODS)
def test_wherever_a_view_fails_the_run_has_one_note_of_it_or_it_is_kept_to_be_told(tmp_path: Path, method: str) -> None:
    late = LateView(lambda: failing_in(method))
    log = EventLog(tmp_path / "journal.jsonl", [late.handle], pytest.fail)
    log.emit(RunNote("one"))
    late.keep_drawing()
    late.tick()
    log.emit(RunNote("two"))
    late.tick()
    log.emit(RunNote("three"))
    late.stop()
    log.close()

    said = [note for note in log.record.notes if f"KeyError: '{method}'" in note]
    assert (len(said), late.trouble is not None) == ((0, True) if method == "stop" else (1, False))
    assert [note for note in log.record.notes if note not in said] == ["one", "two", "three"]
    assert replay(tmp_path / "journal.jsonl").notes == log.record.notes


def test_a_view_that_cannot_be_made_is_told_of_once(tmp_path: Path) -> None:
    def make() -> Told:
        raise ImportError("no rich")

    log = EventLog(tmp_path / "journal.jsonl", [LateView(make).handle], pytest.fail)
    for text in ("one", "two"):
        log.emit(RunNote(text))
    log.close()

    assert [note for note in log.record.notes if "no rich" in note] == [
        "what shows this run has failed (ImportError: no rich); its results do not need it"
    ]
