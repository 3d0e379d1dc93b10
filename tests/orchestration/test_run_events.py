"""Events of runs, as Prefect takes them."""

from __future__ import annotations

from prefect.events.schemas.events import Event

from pulseq.orchestration.run_events import RUN_FINISHED, newly_failing_event, run_event

FLOW_RUN = "0f4a3c1e-9b52-4f0e-8a57-0c6f3c7d5a11"


def test_an_event_of_a_run_is_about_the_run_and_names_its_flow_run() -> None:
    event = Event.model_validate(
        run_event(RUN_FINISHED, run_id="r1", suite="shop", flow_run_id=FLOW_RUN, payload={"reason": "failed"})
    )

    assert ("pulseq.run.finished", "pulseq.run.r1") == (event.event, event.resource.id)
    assert ("shop", "failed") == (event.resource["pulseq.suite"], event.payload["reason"])
    assert [("flow-run", f"prefect.flow-run.{FLOW_RUN}")] == [(one.role, one.id) for one in event.related]


def test_an_event_of_a_test_is_about_the_same_resource_in_every_run() -> None:
    events = [
        newly_failing_event(run_id=run, suite="shop", flow_run_id=FLOW_RUN, test=("cart", "chrome"), said="no")
        for run in ("r1", "r2")
    ]

    assert {"pulseq.test.shop.cart.chrome"} == {event["resource"]["prefect.resource.id"] for event in events}
    assert ["r1", "r2"] == [event["resource"]["pulseq.run"] for event in events]


def test_hostile_names_make_an_event_that_prefect_takes() -> None:
    event = newly_failing_event(
        run_id="r1", suite="\ud800", flow_run_id=FLOW_RUN, test=("x" * 2_000_000, ""), said="\udfff" * 9
    )

    assert len(Event.model_validate(event).model_dump_json()) < 10_000
