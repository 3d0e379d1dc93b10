"""The form of a deployed run: what it offers, what it refuses, what it asks for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from flows import run_suite as flow_module
from flows.run_suite import (
    AUTOMATIC,
    NODES,
    SCHEDULERS,
    SUITES,
    Place,
    RunForm,
    SuiteName,
    make_request,
    name_run,
    run_suite,
)
from pulseq.fleet import Strategy
from pulseq.suites.schedulers_file import AllowedSchedulers
from pulseq.suites.suite_file import load_suite


def schema_of(*path: str) -> dict[str, Any]:
    """The part of the form's schema at a path of fields."""
    schema = run_suite.parameters.model_dump()
    found = {"properties": schema["properties"]}
    for step in path:
        found = found["properties"][step]
        if reference := found.get("$ref"):
            found = {**schema["definitions"][reference.rpartition("/")[2]], **found}
    return found


def fields_of(*path: str) -> list[dict[str, Any]]:
    fields = schema_of(*path)["properties"]
    return [
        field
        for name in fields
        for field in (fields_of(*path, name) if "$ref" in fields[name] else [schema_of(*path, name)])
    ]


def test_suites_are_those_in_the_folder_at_deploy_time() -> None:
    assert [*SUITES] == schema_of("suite")["enum"]
    assert all(load_suite(path).tests for path in SUITES.values())


def test_nodes_are_those_in_the_folder_and_an_automatic_choice() -> None:
    assert [AUTOMATIC, *NODES] == schema_of("options", "where", "nodes")["enum"]


def test_schedulers_are_those_that_the_deployment_allows() -> None:
    assert SCHEDULERS.names == schema_of("options", "where", "scheduler")["enum"]


def test_a_scheduler_is_meant_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = AllowedSchedulers("schedulers.yaml", {"lab": "tcp://10.0.0.5:8786"})
    monkeypatch.setattr(flow_module, "SCHEDULERS", lab)

    chosen = make_request("quickstart", RunForm(where=Place.model_construct(**{**dict(Place()), "scheduler": "lab"})))

    assert "tcp://10.0.0.5:8786" == chosen.scheduler
    assert make_request("quickstart", RunForm()).scheduler is None


def test_every_strategy_is_offered() -> None:
    assert {strategy.value for strategy in Strategy} < set(schema_of("options", "where", "strategy")["enum"])


def test_options_are_in_named_groups() -> None:
    groups = [schema_of("options", name) for name in schema_of("options")["properties"]]
    assert ["Which tests", "Where they run", "Limits"] == [group["title"] for group in groups]


def test_every_parameter_and_field_says_what_it_is_for() -> None:
    assert all(field.get("description") for field in [schema_of("suite"), schema_of("options")])
    assert [] == [field["title"] for field in fields_of("options") if not field.get("description")]


def test_nothing_is_filled_in_as_raw_json() -> None:
    kinds = {field["type"] for field in fields_of("options")}
    assert kinds <= {"string", "integer", "number", "array", "boolean"}
    assert "string" == schema_of("options", "what", "labels")["items"]["type"]


@pytest.mark.parametrize(
    "options",
    [
        {"limits": {"retries": 11}},
        {"limits": {"test_timeout": -1}},
        {"limits": {"granularity": "atom"}},
        {"where": {"local_nodes": 65}},
        {"where": {"nodes": "moon"}},
        {"where": {"strategy": "luck"}},
        {"where": {"scheduler": "tcp://10.0.0.5:8786"}},
        {"what": {"earlier": "never"}},
        {"what": {"keywords": "typo"}},
    ],
)
def test_a_value_outside_the_form_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RunForm.model_validate(options)


def test_a_suite_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValidationError, match=r"expected one of .*quickstart"):
        TypeAdapter(SuiteName).validate_python("slowstart")


def test_an_untouched_form_asks_for_the_whole_suite() -> None:
    request = make_request("quickstart", RunForm())

    assert (str(SUITES["quickstart"]),) == request.suites
    assert (None, None, None) == (request.keyword, request.markers, request.nodes_file)
    assert (None, None, None) == (request.timeout_seconds, request.deadline_seconds, request.max_failures)


def test_a_filled_form_asks_for_what_it_says() -> None:
    form = RunForm.model_validate(
        {
            "what": {"keyword": " cart ", "labels": ["smoke", "visual"], "earlier": "last failed"},
            "where": {"nodes": "quickstart", "strategy": "round_robin", "project": "sent to all nodes"},
            "limits": {"retries": 2, "test_timeout": 9, "run_deadline": 90, "stop_after_failures": 3},
        }
    )

    request = make_request("quickstart", form)

    assert ("cart", "smoke or visual", True) == (request.keyword, request.markers, request.last_failed)
    assert (NODES["quickstart"], Strategy.ROUND_ROBIN, True) == (request.nodes_file, request.strategy, request.ship)
    assert (2, 9, 90, 3) == (request.reruns, request.timeout_seconds, request.deadline_seconds, request.max_failures)


@pytest.mark.parametrize("name", ["release 4.2", "smoke-again", "quickstart, at last"])
def test_a_name_that_somebody_gave_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__NAME", name)

    assert name == name_run()


@pytest.mark.parametrize("name", ["brave-otter", "alpha2-centauri", "quickstart, 1 Jan 02:03:04"])
def test_a_run_without_a_name_is_named_after_suite_and_time(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__NAME", name)

    assert re.fullmatch(r"suite, \d+ \S+ [\d:]{8}", name_run())
    assert name != name_run()
