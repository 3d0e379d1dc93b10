"""What Prefect watches for us: automations, made once and kept up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events import DoNothing, EventTrigger, Posture, ResourceSpecification, SendNotification
from prefect.events.actions import ActionTypes, ChangeFlowRunState
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from pulseq.errors import UsageError
from pulseq.orchestration.node_report import CHANGED_EVENT
from pulseq.orchestration.prefect_client import open_client
from pulseq.orchestration.run_events import TEST_NEWLY_FAILING

NIGHTLY_TAG = "nightly"
#: It ends runs and tells nobody: Prefect may hear the end of a run after many events late, and fire for a run
#: that has ended. Nothing happens to that one, and whoever is to hear of a crash hears of the state `Crashed`.
SILENT_RUN = "pulseq: run without a heartbeat"
Labels: TypeAlias = Mapping[str, str | list[str]]
_ANY_FLOW_RUN: Labels = {"prefect.resource.id": "prefect.flow-run.*"}
_OF_OURS: Labels = {
    "prefect.resource.role": "flow",
    "prefect.resource.name": ["run-suite", "node-health", "maintain-results"],
}
#: Heartbeats that may be missed before a run is given up.
_MISSED_HEARTBEATS = 2.5
_DEFAULT_HEARTBEAT_SECONDS = 180
_SUBJECT = "PulseQ: {{ automation.name }}"
_BODY = "{{ event.event }}: {{ event.resource.name }}\n{{ event.payload }}"


@dataclass(frozen=True, slots=True)
class SetUp:
    """What became of one automation: `done` is made, updated or there."""

    name: str
    done: str
    notifies: bool


def wanted_automations() -> tuple[AutomationCore, ...]:
    """The automations as they are made where there are none."""
    return (
        _without_heartbeat(),
        _notice(
            "pulseq: run crashed",
            "A run has ended without a word, or could not begin.",
            {"prefect.flow-run.Crashed"},
            _ANY_FLOW_RUN,
            _OF_OURS,
        ),
        _notice(
            "pulseq: node down",
            "A node has become inactive.",
            {CHANGED_EVENT},
            {"prefect.resource.id": "pulseq.node.*", "pulseq.node.status": "inactive"},
        ),
        _notice(
            "pulseq: nightly failed",
            f"A run tagged {NIGHTLY_TAG!r} has failed.",
            {"prefect.flow-run.Failed", "prefect.flow-run.TimedOut"},
            _ANY_FLOW_RUN,
            {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{NIGHTLY_TAG}"},
        ),
        _notice(
            "pulseq: test newly failing",
            "A test fails that passed in the run before.",
            {TEST_NEWLY_FAILING},
            {"prefect.resource.id": "pulseq.test.*"},
        ),
    )


def _without_heartbeat() -> AutomationCore:
    heartbeat = get_current_settings().flows.heartbeat_frequency or _DEFAULT_HEARTBEAT_SECONDS
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        # Any sign of life, and any end: flows of ours end in states with names of their own (`Healthy`, `NothingRuns`).
        expect={"prefect.flow-run.*"},
        match=_spec(_ANY_FLOW_RUN),
        match_related=_spec(_OF_OURS),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=heartbeat * _MISSED_HEARTBEATS),
    )
    message = "its process has sent no heartbeat for too long: it, or its machine, is gone"
    action = ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message, force=False)
    return AutomationCore(
        name=SILENT_RUN,
        description="Ends runs whose process is gone without a word, as Crashed.",
        trigger=trigger,
        actions=[action],
    )


def _notice(
    name: str, description: str, expect: set[str], match: Labels, related: Labels = MappingProxyType({})
) -> AutomationCore:
    """What tells people of each of these events; whom, they say themselves (`add_notification`)."""
    trigger = EventTrigger(
        expect=expect,
        match=_spec(match),
        match_related=_spec(related),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
    )
    return AutomationCore(name=name, description=description, trigger=trigger, actions=[DoNothing()])


def _spec(labels: Labels) -> ResourceSpecification:
    return ResourceSpecification.model_validate(labels)


async def set_up_automations(*, notify: str | None) -> list[SetUp]:
    """Make what is missing, and renew the triggers of what is there; what people have changed beside that stays.

    Args:
        notify: a notification block as `TYPE/NAME` (`slack-webhook/team`), which each of them is to call.

    Raises:
        UsageError: there is no such block.
        InfrastructureError: the API does not answer.
    """
    async with open_client() as client:
        notification = await _find_notification(client, notify) if notify else None
        return [await _set_up(client, wanted, notification) for wanted in wanted_automations()]


async def _find_notification(client: PrefectClient, notify: str) -> SendNotification:
    kind, _, name = notify.partition("/")
    expected = "expected a notification block as TYPE/NAME, such as slack-webhook/team"
    if not name:
        raise UsageError(f"--notify: found {notify!r}, {expected}")
    try:
        block = await client.read_block_document_by_name(name, kind)
    except ObjectNotFound as error:
        raise UsageError(f"--notify: found no block {notify!r}, {expected}; `prefect block ls` lists them") from error
    assert block.id is not None
    return SendNotification(type="send-notification", block_document_id=block.id, subject=_SUBJECT, body=_BODY)


async def _set_up(client: PrefectClient, wanted: AutomationCore, notification: SendNotification | None) -> SetUp:
    found = await client.read_automations_by_name(wanted.name)
    known = found[0] if found else None
    before = known.actions if known else wanted.actions
    actions = list(before) if wanted.name == SILENT_RUN else add_notification(before, notification)
    told = any(isinstance(action, SendNotification) for action in actions)
    if known is None:
        await client.create_automation(wanted.model_copy(update={"actions": actions}))
        return SetUp(wanted.name, "made", told)
    if known.actions == actions and same_trigger(known, wanted):
        return SetUp(wanted.name, "there", told)
    # Only what is set here is sent, down to the type of an action.
    renewed = AutomationCore(
        name=known.name,
        description=known.description,
        enabled=known.enabled,
        tags=known.tags,
        trigger=wanted.trigger,
        actions=actions,
        actions_on_trigger=known.actions_on_trigger,
        actions_on_resolve=known.actions_on_resolve,
    )
    await client.update_automation(known.id, renewed)
    return SetUp(wanted.name, "updated", told)


def add_notification(actions: Sequence[ActionTypes], notification: SendNotification | None) -> list[ActionTypes]:
    """The actions with a notification in the place of a stand-in; one that is there already is not added again."""
    if notification is None:
        return list(actions)
    others: list[ActionTypes] = [action for action in actions if not isinstance(action, DoNothing)]
    block = notification.block_document_id
    there = any(isinstance(one, SendNotification) and one.block_document_id == block for one in others)
    return others if there else [*others, notification]


def same_trigger(known: Automation, wanted: AutomationCore) -> bool:
    """Whether an automation waits for what it is to wait for."""
    return _waits_for(known.trigger) == _waits_for(wanted.trigger)


def _waits_for(trigger: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = trigger.model_dump(mode="json", exclude={"id"})
    return {name: sorted(value) if isinstance(value, list) else value for name, value in dumped.items()}
