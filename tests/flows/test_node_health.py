"""The form of the node-health flow."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from flows.node_health import SCHEDULERS, node_health

FIELDS: dict[str, Any] = node_health.parameters.model_dump()["properties"]


def test_every_parameter_says_what_it_is_for_and_has_a_default() -> None:
    assert ["scheduler_address", "state_directory", "heartbeat_interval", "node_timeout"] == [*FIELDS]
    assert [] == [name for name, field in FIELDS.items() if not field.get("description") or "default" not in field]


def test_a_scheduler_is_one_that_the_deployment_allows() -> None:
    assert SCHEDULERS.names == FIELDS["scheduler_address"]["enum"]
    assert "automatic" == node_health.validate_parameters({})["scheduler_address"]
    with pytest.raises(ParameterTypeError, match="expected one of automatic"):
        node_health.validate_parameters({"scheduler_address": "tcp://10.0.0.5:8786"})


@pytest.mark.parametrize("value", [0, -1, 1e9, "soon"])
def test_a_limit_that_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ParameterTypeError, match="node_timeout"):
        node_health.validate_parameters({"node_timeout": value})
