"""Deployments held against their flows."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from pulseq.orchestration.deployments import find_flaws, make_schedule
from pulseq.suites.prefect_file import PROJECT_FILE, read_project

ROOT = Path(__file__).parent.parent.parent
FLOW = """
from typing import Literal
from pydantic import BaseModel, ConfigDict
from prefect import flow

class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")
    retries: int = 0

@flow
def nightly(suite: Literal["shop", "cart"], form: Form = Form()) -> None: ...
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "broken.py").write_text("import nothing_like_this")
    return tmp_path


def flaws_of(project: Path, deployment: str) -> list[str]:
    (project / PROJECT_FILE).write_text(f"deployments:\n  - {{name: one, {deployment}}}\n")
    return [str(flaw).removeprefix("deployments[0].") for flaw in find_flaws(read_project(project / PROJECT_FILE))]


def test_the_projects_own_deployments_are_as_meant() -> None:
    assert [] == list(find_flaws(read_project(ROOT / PROJECT_FILE)))


@pytest.mark.parametrize(
    ("deployment", "told"),
    [
        (
            "entrypoint: 'broken.py:f'",
            "entrypoint: found 'broken.py:f', which does not import (ModuleNotFoundError: No",
        ),
        (
            "entrypoint: 'flow.py:nightli'",
            "which does not import (it has no flow 'nightli'), expected a flow that does",
        ),
        ("entrypoint: 'gone.py:f'", "entrypoint: found 'gone.py:f', which does not import (FileNotFoundError"),
        (
            "entrypoint: 'flow.py:nightly', parameters: {suit: shop}",
            "parameters.suit: found an unknown parameter, expected a parameter of the flow 'nightly': suite, form; did",
        ),
        (
            "entrypoint: 'flow.py:nightly', parameters: {suite: shoe}",
            "parameters.suite: found 'shoe', expected 'shop' or 'cart'",
        ),
        (
            "entrypoint: 'flow.py:nightly', parameters: {form: {retry: 1}}",
            "parameters.form.retry: found an unknown key, expected one that the flow's form has",
        ),
        (
            "entrypoint: 'flow.py:nightly', parameters: {form: {retries: many}}",
            "parameters.form.retries: found 'many', expected a valid integer",
        ),
        (
            "entrypoint: 'flow.py:nightly', schedules: [{interval: 60}]",
            "schedules[0].parameters.suite: found nothing, expected a value: the flow 'nightly' cannot start without",
        ),
        (
            "entrypoint: 'flow.py:nightly', triggers: [{expect: [x], parameters: {suite: shop, fom: {}}}]",
            "triggers[0].parameters.fom: found an unknown parameter",
        ),
    ],
)
def test_what_would_not_run_is_told_with_its_place(project: Path, deployment: str, told: str) -> None:
    (flaw,) = flaws_of(project, deployment)

    assert flaw.startswith(told) or told in flaw


def test_a_schedule_may_leave_parameters_to_its_deployment(project: Path) -> None:
    deployment = "entrypoint: 'flow.py:nightly', parameters: {suite: shop}, schedules: [{interval: 60}]"

    assert [] == flaws_of(project, deployment)


def test_a_deployment_that_people_start_may_leave_parameters_to_them(project: Path) -> None:
    assert [] == flaws_of(project, "entrypoint: 'flow.py:nightly'")


def test_templates_are_not_judged(project: Path) -> None:
    assert [] == flaws_of(project, "entrypoint: 'flow.py:nightly', parameters: {suite: '{{ $SUITE }}'}")


def test_a_schedule_means_what_it_says() -> None:
    every = make_schedule({"interval": 10, "slug": "often", "parameters": {"a": 1}})
    nightly = make_schedule({"cron": "0 2 * * *", "timezone": "Europe/Berlin", "active": False})

    assert (datetime.timedelta(seconds=10), "often", {"a": 1}) == (
        every.schedule.interval,
        every.slug,
        every.parameters,
    )
    assert ("0 2 * * *", "Europe/Berlin", False) == (nightly.schedule.cron, nightly.schedule.timezone, nightly.active)
