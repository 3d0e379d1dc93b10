"""A run as the command line does it: watched while it goes on, told about at its end.

What draws and tells is imported when it is first needed: processes of the run are loading by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from pulseq.artifacts import ARTIFACTS_FOLDER
from pulseq.errors import InfrastructureError, UsageError
from pulseq.fleet import Fleet
from pulseq.models import Suite
from pulseq.reports.late_view import LateView, RunView
from pulseq.run.run_options import RunOptions

if TYPE_CHECKING:
    from pulseq.reports.left_behind import ArtifactPlace
    from pulseq.results.lean_replay import LeanReplay
    from pulseq.run.run_session import RunOutcome

T = TypeVar("T")
_TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reports:
    """What a run shows and writes besides its journal and database.

    Attributes:
        command: the arguments of the command that asked for it, for what it says of the next one.
    """

    junitxml: Path | None = None
    html: Path | None = None
    output: str = "text"
    durations: int = 5
    live: bool = True
    verbosity: int = 0
    command: tuple[str, ...] = ()


def execute(suite: Suite, fleet: Fleet, options: RunOptions, reports: Reports) -> int:
    """Run a suite, show it, write the reports that were asked for; the run's exit code."""
    for path in (reports.junitxml, reports.html, options.database):
        if path is not None:
            _check_writable(path)
    outcome = _run(suite, fleet, options, reports)
    locations = _locations(options, reports, outcome, persisted=fleet.framework.persist_results)
    trouble = _write_reports(options, reports, locations)
    _tell(outcome, options, reports, locations)
    if trouble is None:
        return int(outcome.exit_code)
    print(f"pulseq: {trouble}", file=sys.stderr)
    # What the tests said is worse than a report that is missing.
    return int(outcome.exit_code or trouble.exit_code)


def _run(suite: Suite, fleet: Fleet, options: RunOptions, reports: Reports) -> RunOutcome:
    # Imported here, so that `--help` and refusals need not wait for Prefect.
    silence_prefect()
    from pulseq.run.run_session import run_suite
    from pulseq.run.stopping import wait_if_left

    view = LateView(lambda: choose_view(reports))

    def tell_what_there_is(outcome: RunOutcome) -> None:
        view.stop()  # gives the terminal back
        locations = _locations(options, Reports(), outcome, persisted=outcome.stored)
        _tell(outcome, options, reports, locations, at_once=True)
        flush_all()

    try:
        run = run_suite(suite, fleet, options, [view.handle], on_started=view.keep_drawing, on_left=tell_what_there_is)
        return asyncio.run(_with_ticks(run, view.tick))
    finally:
        wait_if_left()
        view.stop()
        if view.trouble is not None:
            print(f"pulseq: what shows the run has failed: {view.trouble!r}", file=sys.stderr)


def silence_prefect() -> None:
    """Have Prefect keep its own lines to itself; it reads its settings when it is imported, or told to again."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_SERVER_LEVEL", "ERROR")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")


async def _with_ticks(run: Coroutine[Any, Any, T], tick: Callable[[], None]) -> T:
    async def keep_ticking() -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            tick()

    ticking = asyncio.create_task(keep_ticking())
    try:
        return await run
    finally:
        ticking.cancel()


def choose_view(reports: Reports) -> RunView:
    """The live picture on a terminal, plain lines elsewhere and in CI."""
    from pulseq.reports.live import LiveView
    from pulseq.reports.plain import PlainView
    from pulseq.reports.terminal import Terminal

    terminal = Terminal(stderr=True)
    if reports.live and terminal.is_terminal and not os.environ.get("CI") and reports.verbosity >= 0:
        return LiveView(terminal)
    return PlainView(sys.stderr, reports.verbosity, time.monotonic)


def flush_all() -> None:
    """Write what was printed, as far as somebody takes it: this process ends without doing so."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _tell(
    outcome: RunOutcome, options: RunOptions, reports: Reports, locations: dict[str, str], *, at_once: bool = False
) -> None:
    """Tell what a run came to: people, or with `--output json` programs."""
    try:
        if reports.output == "json":
            from pulseq.reports.json_output import describe_run

            print(json.dumps(describe_run(outcome.record, locations)))
        else:
            _print_summary(outcome, options, reports, locations, at_once=at_once)
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdicts stand
        told = "the results and the exit code do not need it"
        print(f"pulseq: what tells the end of the run has failed ({error!r}); {told}", file=sys.stderr)
    if outcome.trouble:
        print(f"note: {outcome.trouble}", file=sys.stderr)


def _print_summary(
    outcome: RunOutcome, options: RunOptions, reports: Reports, locations: dict[str, str], *, at_once: bool
) -> None:
    from pulseq.cli.flow_run_link import without_dead_link
    from pulseq.cli.next_steps import find_steps
    from pulseq.reports.summary import find_untold, print_summary, render_summary

    record = outcome.record
    # What was in full where somebody left at once: the journal has it, and the next steps say how to see it.
    untold = [] if at_once else find_untold(record, verbosity=reports.verbosity)
    if untold:
        from pulseq.results.journal_texts import restore_texts

        restore_texts(record, untold, options.journal_path)
    steps: dict[str, str] = {}
    if reports.verbosity >= 0:
        steps = find_steps(record, reports.command, stored=outcome.stored, left_at_once=at_once)
    summary = render_summary(
        # A server of this run alone answers still, and ends with us.
        replace(record, prefect=None) if at_once else without_dead_link(record),
        durations=reports.durations,
        verbosity=reports.verbosity,
        locations={**locations, **steps},
        end_alone=at_once,
    )
    with contextlib.suppress(OSError):  # whoever read it has gone, or its disk is full; the verdicts stand
        print_summary(summary, stderr=True)


def _locations(options: RunOptions, reports: Reports, outcome: RunOutcome, *, persisted: bool) -> dict[str, str]:
    found = {"journal": options.journal_path}
    if outcome.record.artifacts:
        found["artifacts"] = options.run_directory / ARTIFACTS_FOLDER
    if persisted:
        found["database"] = options.database_path
    if reports.junitxml:
        found["junit"] = reports.junitxml
    if reports.html:
        found["html"] = reports.html
    return {word: _short(path) for word, path in found.items() if outcome.record.started is not None}


def _short(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _write_reports(options: RunOptions, reports: Reports, locations: dict[str, str]) -> InfrastructureError | None:
    """Write what was asked for; the error of the first one that could not be written."""
    writers = [(write, path) for write, path in ((_write_junit, reports.junitxml), (_write_html, reports.html)) if path]
    if not writers:
        return None
    from pulseq.results.lean_replay import LeanReplay

    try:
        # From the journal: the record in memory keeps outputs short.
        replay = LeanReplay(options.journal_path)
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdicts stand
        return InfrastructureError(f"no report can be written: {_say(error)}")
    from pulseq.reports.left_behind import ArtifactPlace

    trouble: InfrastructureError | None = None
    for write, path in writers:
        # CI servers have the paths of attachments begin where the run was started.
        beside = Path.cwd() if write is _write_junit else path.parent
        try:
            with open(path, "wb") as stream:
                write(replay, stream, locations, ArtifactPlace(options.run_directory, beside))
        except Exception as error:  # noqa: BLE001 - as above, and the other report too
            trouble = trouble or InfrastructureError(
                f"a report cannot be written: {_say(error)}; the results are safe in {options.journal_path}"
            )
    return trouble


def _write_junit(replay: LeanReplay, stream: BinaryIO, locations: dict[str, str], place: ArtifactPlace) -> None:
    from pulseq.reports.junit import write_junit

    write_junit(replay.record, stream, whole=replay.whole, place=place)


def _write_html(replay: LeanReplay, stream: BinaryIO, locations: dict[str, str], place: ArtifactPlace) -> None:
    from pulseq.cli.flow_run_link import without_dead_link
    from pulseq.reports.html import write_html  # jinja2 takes its time, for this one report
    from pulseq.reports.html_tests import told_at_length

    replay.fill(told_at_length(replay.record))
    write_html(without_dead_link(replay.record), stream, locations=locations, place=place)


def _say(error: Exception) -> str:
    return str(error) if isinstance(error, (OSError, UsageError)) else repr(error)


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError("no permission to write there")
        if path.is_dir():
            raise IsADirectoryError("it is a directory")
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}; choose another place") from error
