"""A run as it is told to Prefect, and what becomes of it where Prefect does not listen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pulseq.errors import ExitCode, InfrastructureError
from pulseq.events import AttemptFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, SimulateBody, Status, TestCase
from pulseq.orchestration.artifacts import RunArtifacts
from pulseq.orchestration.delivery import Delivery
from pulseq.results.ingest import ingest
from pulseq.run import run_page
from pulseq.run.event_log import EventLog
from pulseq.run.ledger import Ledger
from pulseq.run.run_options import RunOptions
from pulseq.run.run_page import RunPage


class Api:
    """A Prefect API that notes what it is told, or answers nothing."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.answers = True

    async def take(self, kind: str, what: Any) -> None:
        self.told.append((kind, what))
        if not self.answers:
            raise InfrastructureError("nobody is there")

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()

    async def tell(events: list[dict[str, Any]]) -> None:
        for event in events:
            await api.take(event["event"], event)

    monkeypatch.setattr(run_page, "tell_events", tell)
    monkeypatch.setattr(run_page, "tell_log", lambda flow_run, lines: api.take("log", (flow_run, lines)))
    for kind in ("progress", "summary", "failures"):
        monkeypatch.setattr(RunArtifacts, f"show_{kind}", lambda _, what, kind=kind: api.take(kind, what))
    return api


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunPage]:
    options = RunOptions(run_id="r2", home=tmp_path)
    log, ledger = EventLog(options.journal_path, [], lambda error: None), Ledger()
    log.emit(RunStarted("r2", "shop", 1_700_000_000.0, "0.1"))
    for event in ledger.plan(TestCase("cart", SimulateBody())):
        log.emit(event)
    yield RunPage("shop", str(uuid4()), options, log, ledger, Delivery())
    log.close()


def fail(page: RunPage) -> None:
    page.ledger.sent(("cart", ""), "n1")
    result = AttemptResult("cart", 1, "n1", Status.FAILED, reason=Reason.ASSERTION, error="no")
    for event in page.ledger.finish(result, in_place=True)[0]:
        page.log.emit(event)


async def keep_and_finish(page: RunPage) -> None:
    async with page.kept():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        fail(page)
    await page.finish(ExitCode.TESTS_FAILED)


def test_start_progress_summary_failures_and_end_are_told(page: RunPage, api: Api) -> None:
    asyncio.run(keep_and_finish(page))

    assert [
        "pulseq.run.started",
        "progress",
        "log",
        "progress",
        "summary",
        "failures",
        "pulseq.run.finished",
    ] == api.kinds()
    assert [0.0, 100.0] == [what for kind, what in api.told if kind == "progress"]
    payload = api.told[-1][1]["payload"]
    assert ("failed", 1, 0) == (payload["reason"], payload["counts"]["failed"], payload["newly_failing"])


def test_what_a_test_said_that_failed_is_in_the_log_of_its_flow_run(page: RunPage, api: Api) -> None:
    asyncio.run(keep_and_finish(page))

    [(flow_run, [line])] = [what for kind, what in api.told if kind == "log"]
    assert (page.flow_run_id, "cart: failed (assertion), attempt 1 on n1, 0.00 s\nno") == (flow_run, line.text)


def test_a_test_that_no_node_fits_is_told_as_a_task_run(page: RunPage, api: Api) -> None:
    async def keep() -> None:
        async with page.kept():
            for event in page.ledger.close(("cart", ""), Reason.UNSATISFIABLE, "no node fits"):
                page.log.emit(event)
        await page.finish(ExitCode.NO_VERDICT)

    asyncio.run(keep())

    [(_, test)] = page.delivery._waiting
    assert ("cart @ no node, medium", "no node fits") == (test.name, test.message)
    [(_, [line])] = [what for kind, what in api.told if kind == "log"]
    assert (str(test.id), "cart: error (unsatisfiable)\nno node fits") == (line.task_run, line.text)
    assert 1 == page.delivery.ended


def test_a_page_that_fails_is_a_note_of_the_run_and_ends_nothing(
    page: RunPage, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_to_render(*_: object, **__: object) -> str:
        raise KeyError("its own")

    monkeypatch.setattr(run_page, "render_markdown", fail_to_render)

    asyncio.run(keep_and_finish(page))

    told = "the page of the flow run has failed (KeyError: 'its own'); the results do not need it"
    assert [told] == page.log.record.notes
    assert "progress" == api.kinds()[-1]


def test_telling_what_failed_tests_said_may_fail_at_any_test(
    page: RunPage, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_to_say(*_: object) -> str:
        raise KeyError("its own")

    monkeypatch.setattr("pulseq.run.failure_log.say_test", fail_to_say)

    asyncio.run(keep_and_finish(page))

    told = "what tells Prefect of this run has failed (KeyError: 'its own'); its results do not need it"
    assert [told] == page.log.record.notes
    assert "pulseq.run.finished" == api.kinds()[-1]


def test_an_api_that_does_not_answer_is_asked_once(page: RunPage, api: Api) -> None:
    api.answers = False

    asyncio.run(keep_and_finish(page))

    assert (["pulseq.run.started"], "nobody is there") == (api.kinds(), page.trouble)


def test_a_test_that_passed_before_is_told_as_newly_failing(page: RunPage, api: Api) -> None:
    before = RunOptions(run_id="r1", home=page.options.home)
    log = EventLog(before.journal_path, [], lambda error: None)
    passed = AttemptResult("cart", 1, "n1", Status.PASSED)
    log.emit(RunStarted("r1", "shop", 1_600_000_000.0, "0.1"))
    log.emit(TestPlanned("cart", "", "cart", "simulate", "medium"))
    log.emit(AttemptFinished(passed))
    log.emit(TestClosed("cart", "", Status.PASSED, None, False, 1, "n1"))
    log.close()
    ingest(before.journal_path, run_page.Database(page.options.database_path))

    asyncio.run(keep_and_finish(page))

    assert ["pulseq.test.newly-failing", "pulseq.run.finished"] == api.kinds()[-2:]
    assert 1 == api.told[-1][1]["payload"]["newly_failing"]
