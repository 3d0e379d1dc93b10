"""The live view: driven from an event loop, drawn on a thread of its own."""

from __future__ import annotations

import asyncio
import io
import re
import threading

import pytest

from pulseq.events import NodeJoined, NodeLost, RunNote, RunStarted, TestClosed
from pulseq.models import Reason, Status
from pulseq.reports.live import LiveView
from pulseq.reports.node_lines import Glyphs
from pulseq.reports.terminal import Terminal


def terminal(stream: io.StringIO | None = None) -> Terminal:
    return Terminal(file=stream or io.StringIO(), force_terminal=True, width=80, height=24, _environ={})


def written(console: Terminal) -> str:
    """What is on the terminal without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def failure(test_id: str, error: str = "boom") -> TestClosed:
    return TestClosed(test_id, "", Status.FAILED, Reason.ASSERTION, False, 1, "n", error)


def view_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pulseq-live-view"]


def test_failures_losses_and_notes_stay_above_the_picture() -> None:
    console = terminal()
    view = LiveView(console)
    view.start()
    view.keep_drawing()
    for event in (failure("pay", "E  assert 1 == 2"), NodeLost("n", "died"), RunNote("late")):
        view.handle(event)
    view.stop()
    lines = [line.strip() for line in written(console).splitlines()]
    expected = ["failed (assertion) on n  pay", "assert 1 == 2", "node n lost: died", "note: late"]
    assert expected == [line for line in lines if line in expected]


def test_what_was_not_run_is_no_failure_and_takes_no_lines() -> None:
    console = terminal()
    view = LiveView(console)
    view.start()
    for number in range(300):
        why = "the run was interrupted"
        view.handle(TestClosed(f"t{number}", "", Status.ERROR, Reason.CANCELLED, False, 0, None, why))
    view.stop()

    assert "interrupted" not in written(console)


def test_before_it_draws_by_itself_each_event_changes_the_picture_and_no_clock_stands_in_it() -> None:
    console = terminal()
    view = LiveView(console)
    view.handle(RunStarted("r", "shop", 0.0, "1", {"nodes": 1, "own_server": True, "fleet": "1 node"}))
    view.start()
    assert "on 1 node" in written(console)
    assert "waiting for the Prefect server and 1 node" in written(console)
    assert "0:00" not in written(console)
    view.handle(NodeJoined("n", "localhost", 1))
    assert "waiting for the Prefect server\n" in re.sub(" *\r?\n", "\n", written(console))
    assert not view_threads()
    view.stop()


def test_a_whole_run_from_an_event_loop_is_counted(checkout) -> None:
    async def drive(view: LiveView) -> None:
        for event in checkout.events:
            view.handle(event)
            await asyncio.sleep(0)

    view = LiveView(terminal())
    view.start()
    view.keep_drawing()
    asyncio.run(drive(view))
    view.stop()
    assert (view.progress.done, view.progress.tally.passed, view.progress.tally.failed) == (120, 114, 2)


def test_a_flood_of_failures_is_cut_and_counted() -> None:
    console = terminal()
    view = LiveView(console)
    for index in range(500):
        view.handle(failure(f"t{index:03}"))
    view.start()
    view.keep_drawing()
    view.stop()
    said = written(console)
    assert (said.count("failed (assertion)"), "… and 480 more, see the summary" in said) == (20, True)


def test_the_picture_follows_the_events(checkout) -> None:
    now = [0.0]
    view = LiveView(terminal(), clock=lambda: now[0])
    for when, event in checkout.until(9.3):
        now[0] = when
        view.handle(event)
    [head, *_] = view.lines(80, 16, Glyphs())
    assert (head.plain.split()[0], head.plain.endswith("left")) == ("checkout", True)


def test_the_first_picture_is_there_before_any_thread_is() -> None:
    console = terminal()
    view = LiveView(console)
    view.handle(RunStarted("r1", "checkout", 0.0, "1", {}))
    view.start()
    said, threads = written(console), view_threads()
    view.keep_drawing()
    view.stop()
    assert ("checkout" in said, threads, view_threads()) == (True, [], [])


def test_no_thread_is_left_and_the_cursor_is_given_back() -> None:
    console = terminal()
    view = LiveView(console)
    view.start()
    view.keep_drawing()
    view.stop()
    said = console.file.getvalue()
    assert (view_threads(), said.rfind("\x1b[?25h") > said.rfind("\x1b[?25l")) == ([], True)


def test_a_view_that_was_never_started_stops() -> None:
    console = terminal()
    LiveView(console).stop()
    assert view_threads() == []


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error")])
def test_a_terminal_that_goes_away_does_not_end_the_run(checkout, error: OSError) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    view = LiveView(terminal(Gone()))
    view.start()
    view.keep_drawing()
    for event in checkout.events:
        view.handle(event)
    view.stop()
    assert (view_threads(), view.progress.done) == ([], 120)


def test_hostile_names_bring_no_control_code_of_their_own() -> None:
    console = terminal()
    view = LiveView(console)
    view.start()
    view.keep_drawing()
    view.handle(failure("\x1b]0;owned\x07[red]x[/red]\x9b", "\x1b[2J\x08"))
    view.stop()
    said = written(console)
    assert ([one for one in "\x07\x08\x9b" if one in said or "\x1b]" in said], "[red]x[/red]" in said) == ([], True)


def test_handling_events_does_not_wait_for_the_terminal(checkout) -> None:
    """While the terminal blocks, the loop goes on: every event is taken in before it writes again."""
    release = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            if threading.current_thread().name == "pulseq-live-view":
                release.wait(30)
            return super().write(text)

    view = LiveView(terminal(Stuck()))
    view.start()
    view.keep_drawing()
    for event in checkout.events:
        view.handle(event)
    done = view.progress.done
    release.set()
    view.stop()
    assert done == 120


@pytest.mark.parametrize("threads", [True, False])
def test_a_picture_that_fails_leaves_what_is_to_be_kept_and_comes_out_with_the_next_event(
    monkeypatch: pytest.MonkeyPatch, threads: bool
) -> None:
    drawn = threading.Event()

    def fail(*_: object, **__: object) -> None:
        drawn.set()
        raise KeyError("no picture")

    monkeypatch.setattr("pulseq.reports.live.draw_frame", fail)
    console = terminal()
    view = LiveView(console)
    view.start()
    if threads:
        view.keep_drawing()
    assert drawn.wait(30)
    with pytest.raises(KeyError, match="no picture"):
        view.handle(failure("pay"))
    view.stop()

    assert "failed (assertion) on n  pay" in written(console)
    said = console.file.getvalue()
    assert (view_threads(), said.rfind("\x1b[?25h") > said.rfind("\x1b[?25l")) == ([], True)
