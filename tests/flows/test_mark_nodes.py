"""The form of the flow that drains, cordons and opens nodes."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from flows.mark_nodes import SCHEDULERS, STATES, mark_nodes, name_run
from pulseq.marks import MarkState

FIELDS: dict[str, Any] = mark_nodes.parameters.model_dump()["properties"]


def test_every_parameter_says_what_it_is_for() -> None:
    assert ["nodes", "what", "why", "scheduler_address", "state_directory"] == [*FIELDS]
    assert [] == [name for name, field in FIELDS.items() if not field.get("description")]
    assert ["nodes"] == mark_nodes.parameters.required


def test_what_can_be_done_is_a_list_and_each_of_it_means_a_state() -> None:
    assert ["drain", "undrain", "cordon"] == FIELDS["what"]["enum"]
    assert set(MarkState) == {STATES[word] for word in FIELDS["what"]["enum"]}


def test_a_scheduler_is_one_that_the_deployment_allows() -> None:
    assert SCHEDULERS.names == FIELDS["scheduler_address"]["enum"]
    with pytest.raises(ParameterTypeError, match="expected one of automatic"):
        mark_nodes.validate_parameters({"nodes": ["a"], "scheduler_address": "tcp://10.0.0.5:8786"})


@pytest.mark.parametrize(
    "given", [{}, {"nodes": []}, {"nodes": ["a"], "what": "kill"}, {"nodes": ["a"], "why": "x" * 501}]
)
def test_what_cannot_be_done_is_refused_before_it_begins(given: dict[str, Any]) -> None:
    with pytest.raises((ParameterTypeError, TypeError)):
        mark_nodes.validate_parameters(given)


def test_outside_a_flow_run_the_name_is_that_of_what_would_be_done() -> None:
    assert name_run().startswith("drain")
