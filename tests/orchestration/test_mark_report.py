from __future__ import annotations

from pulseq.marks import MarkState, NodeMark
from pulseq.orchestration.mark_report import mark_event, marked, not_marked

MARK = NodeMark("lab1", MarkState.DRAINING, "firmware", "anna@desk", 5.5)


def test_an_event_says_which_node_is_to_have_what_why_and_who_said_so() -> None:
    event = mark_event(MARK, "f1")

    assert ("pulseq.node.marked", "1970-01-01T00:00:05.500000+00:00") == (event["event"], event["occurred"])
    assert {
        "prefect.resource.id": "pulseq.node.lab1",
        "prefect.resource.name": "lab1",
        "pulseq.node.state": "draining",
    } == event["resource"]
    assert {"state": "draining", "why": "firmware", "who": "anna@desk"} == event["payload"]
    assert [{"prefect.resource.id": "prefect.flow-run.f1", "prefect.resource.role": "flow-run"}] == event["related"]


def test_whoever_tells_of_a_mark_again_tells_the_same_event() -> None:
    later = NodeMark("lab1", MarkState.DRAINING, "firmware", "anna@desk", 6.5)

    assert mark_event(MARK, "f1")["id"] == mark_event(MARK, "f2")["id"] != mark_event(later, "f1")["id"]


def test_a_flow_run_says_what_it_has_marked_or_why_not() -> None:
    assert ("Marked", "lab1 draining") == ((state := marked([MARK], None)).name, state.message)
    assert "do not outlive the scheduler: the disk is full" in (marked([MARK], "the disk is full").message or "")
    assert ("NotMarked", "FAILED") == ((state := not_marked("no node")).name, state.type.value)
