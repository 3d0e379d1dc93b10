"""Automations as Prefect gets them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from prefect.events import DoNothing, SendNotification
from prefect.events.schemas.automations import Automation

from pulseq.orchestration.automations import add_notification, same_trigger, wanted_automations
from pulseq.orchestration.node_report import CHANGED_EVENT

NOTIFICATION = SendNotification(block_document_id=UUID(int=1), subject="s", body="b")
OTHER = SendNotification(block_document_id=UUID(int=2), subject="s", body="b")


def test_each_has_a_name_of_its_own_and_something_to_do() -> None:
    wanted = wanted_automations()

    assert len(wanted) == len({one.name for one in wanted})
    assert all(one.actions and one.description for one in wanted)


def test_a_node_that_changes_is_what_is_waited_for() -> None:
    (down,) = [one for one in wanted_automations() if one.name == "pulseq: node down"]

    assert {CHANGED_EVENT} == down.trigger.expect


def test_a_run_without_a_heartbeat_ends_crashed() -> None:
    (crashed,) = [one for one in wanted_automations() if "heartbeat" in one.name]

    assert ["CRASHED"] == [action.state.value for action in crashed.actions]
    assert crashed.trigger.within.total_seconds() > 60


def test_a_flow_run_that_ends_in_a_state_of_any_name_is_not_without_a_heartbeat() -> None:
    from prefect.server.events.schemas.automations import EventTrigger as ServerTrigger  # takes half a second

    (silent,) = [one for one in wanted_automations() if "heartbeat" in one.name]
    trigger = ServerTrigger.model_validate(silent.trigger.model_dump())

    for name in ("heartbeat", "Completed", "Healthy", "Degraded", "NothingRuns"):
        assert trigger.expects(f"prefect.flow-run.{name}"), name
    assert not trigger.expects("prefect.task-run.Completed")


def test_a_run_that_ends_as_it_should_is_no_crash_to_anybody() -> None:
    (crashed,) = [one for one in wanted_automations() if one.name == "pulseq: run crashed"]
    (nightly,) = [one for one in wanted_automations() if one.name == "pulseq: nightly failed"]

    assert {"prefect.flow-run.Crashed"} == crashed.trigger.expect
    assert not crashed.trigger.expect & nightly.trigger.expect


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([DoNothing()], [NOTIFICATION]),
        ([OTHER], [OTHER, NOTIFICATION]),
        ([NOTIFICATION], [NOTIFICATION]),
        ([], [NOTIFICATION]),
    ],
)
def test_a_notification_is_added_once_and_takes_the_place_of_a_stand_in(actions: list, expected: list) -> None:
    assert expected == add_notification(actions, NOTIFICATION)


def test_without_a_notification_actions_stay() -> None:
    assert [DoNothing()] == add_notification([DoNothing()], None)


def test_what_comes_back_from_prefect_is_known_again() -> None:
    for wanted in wanted_automations():
        known = Automation(id=uuid4(), **wanted.model_dump(exclude={"trigger"}), trigger=wanted.trigger)
        other = wanted.model_copy(update={"trigger": wanted.trigger.model_copy(update={"threshold": 7})})

        assert same_trigger(known, wanted)
        assert not same_trigger(known, other)
