"""A view that is made late, and silence of what is not ours."""

from __future__ import annotations

import os

import pytest

from pulseq.cli.execute import LateView, silence_prefect
from pulseq.events import Event, RunNote


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

    def stop(self) -> None:
        self.words.append("stop")


class Ticking(Told):
    """One that says things by the clock, too."""

    def tick(self) -> None:
        self.words.append("tick")


@pytest.mark.parametrize(("view", "ticks"), [(Told(), []), (Ticking(), ["tick"])])
def test_a_view_begins_with_the_first_event_and_misses_none(view: Told, ticks: list[str]) -> None:
    late = LateView(lambda: view)

    late.tick()
    for text in ("one", "two"):
        late.handle(RunNote(text))
    late.keep_drawing()
    late.tick()
    late.stop()

    assert view.words == ["one", "start", "two", "draw", *ticks, "stop"]


def test_a_view_of_a_run_that_never_began_is_not_made() -> None:
    made: list[Told] = []

    def make() -> Told:
        made.append(Told())
        return made[-1]

    late = LateView(make)
    late.tick()
    late.stop()

    assert made == []


class Failing(Ticking):
    """One that shows nothing for long."""

    def keep_drawing(self) -> None:
        raise KeyError("draw")

    def tick(self) -> None:
        raise KeyError("tick")

    def stop(self) -> None:
        raise KeyError("stop")


def test_what_a_view_runs_into_ends_nothing_and_is_kept_to_be_told() -> None:
    late = LateView(Failing)
    late.handle(RunNote("one"))

    late.keep_drawing()
    late.tick()
    late.stop()

    assert repr(late.trouble) == "KeyError('draw')"


def test_what_somebody_has_set_for_prefect_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    silence_prefect()

    assert (os.environ["PREFECT_LOGGING_LEVEL"], os.environ["DO_NOT_TRACK"]) == ("DEBUG", "1")
