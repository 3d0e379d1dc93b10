"""The agent of this process."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pulseq.node import agent_registry
from pulseq.node.agent_registry import current_agent, register_agent


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_registry, "_agent", None)


def test_a_process_without_one_is_no_node() -> None:
    with pytest.raises(RuntimeError, match="this Dask worker is not a PulseQ node"):
        current_agent()


def test_the_last_one_is_found() -> None:
    first, second = cast(Any, object()), cast(Any, object())
    register_agent(first)
    register_agent(second)

    assert current_agent() is second
