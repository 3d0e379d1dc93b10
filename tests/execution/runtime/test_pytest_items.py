"""An item is asked for by its node id, and a repeated one by a number as well."""

from __future__ import annotations

from types import SimpleNamespace

from pulseq.execution.runtime.pytest_items import items_by_name, unique_names


def session_of(*nodeids: str) -> SimpleNamespace:
    return SimpleNamespace(items=[SimpleNamespace(nodeid=nodeid) for nodeid in nodeids])


def test_a_repeated_node_id_has_a_number_from_the_second_on() -> None:
    assert ["t", "u", "t#2", "t#3"] == unique_names(["t", "u", "t", "t"])


def test_each_name_finds_the_item_at_its_place() -> None:
    session = session_of("t", "u", "t")
    found = items_by_name(session)
    places = {id(item): place for place, item in enumerate(session.items)}
    assert {"t": 0, "u": 1, "t#2": 2} == {name: places[id(item)] for name, item in found.items()}


def test_names_are_made_once_and_stay_what_they_were_when_items_go() -> None:
    session = session_of("t", "u")
    before = items_by_name(session)
    session.items.clear()
    assert before is items_by_name(session)
    assert ["t", "u"] == list(before)
