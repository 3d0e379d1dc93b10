"""Who shares a session with whom."""

from __future__ import annotations

import pytest

from pulseq.distributed.session import Session, config_of, current_session, project_of
from pulseq.fleet import FrameworkConfig, Strategy
from pulseq.project import ProjectSpec


class Component:
    def __init__(self, kind: str) -> None:
        self.session = current_session(kind)
        self.session.join(kind, self)


def test_components_made_side_by_side_share_a_session() -> None:
    scheduler, runner = Component("scheduler"), Component("runner")

    assert scheduler.session is runner.session


def test_a_second_runner_begins_a_fresh_session_which_others_join() -> None:
    first, second = Component("runner"), Component("runner")
    scheduler = Component("scheduler")

    assert first.session is not second.session
    assert second.session is scheduler.session


def test_a_session_is_forgotten_with_its_last_component() -> None:
    runner = Component("runner")
    runner.session.nodes["node1"] = None  # type: ignore[assignment]
    del runner

    assert {} == current_session().nodes


def test_a_closed_session_is_not_joined() -> None:
    runner = Component("runner")
    runner.session.closed = True

    assert runner.session is not Component("scheduler").session


def test_a_session_tells_its_members() -> None:
    session = Session()
    runner = Component("runner")
    session.join("runner", runner)

    assert session.member("runner") is runner
    assert session.member("scheduler") is None


def test_a_configuration_may_be_a_dict() -> None:
    config = {"heartbeat_interval": 30, "node_timeout": 60, "load_balancing_strategy": "round_robin"}

    assert FrameworkConfig(30.0, 60.0, Strategy.ROUND_ROBIN) == config_of(config)
    assert config_of(None) is None


def test_a_configuration_that_cannot_be_used_is_refused() -> None:
    expected = "framework: node_timeout: found -1, expected a number of seconds above 0"
    with pytest.raises(ValueError, match=expected):
        config_of({"node_timeout": -1})


def test_a_project_may_be_a_dict() -> None:
    project = ProjectSpec(pass_env=("CI",), secrets=("API_TOKEN",))

    assert project == project_of({"pass_env": ["CI"], "secrets": ["API_TOKEN"]}) == project_of(project)
    assert ProjectSpec() == project_of(None)


def test_a_project_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^project: secrets\[0\]: found 'A_\*', expected a name without wildcards"):
        project_of({"secrets": ["A_*"]})
