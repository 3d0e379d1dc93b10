from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import Event, NodeJoined, NodeLost, RunFinished, RunStarted
from pulseq.results.codec import JournalEntry
from pulseq.results.staging import RunEvents, clean, json_text, microseconds


def rows(*events: Event) -> dict[str, Any]:
    told = RunEvents()
    for seq, event in enumerate(events, 1):
        told.add(JournalEntry(seq, 5.0, event, 0))
    return dict(told.rows)


def test_nothing_told_has_no_rows() -> None:
    assert rows() == {}


def test_a_node_that_joins_or_is_lost_is_a_look_at_its_health_too() -> None:
    staged = rows(NodeJoined("n", "h", 2, {}, "first", {"way": "ssh"}), NodeLost("n", "gone"))
    assert staged["stage_nodes"] == [(1, "n", "h", 2, "{}", 5_000_000, "first", '{"way":"ssh"}')]
    assert [(row[0], row[3], row[4]) for row in staged["stage_node_health"]] == [
        (1, "joined", "active"),
        (2, "lost", "inactive"),
    ]


def test_the_first_start_of_a_run_and_its_last_end_count() -> None:
    told = RunEvents()
    starts = [RunStarted("r", suite, 1.0, "0") for suite in "ab"]
    for seq, event in enumerate([*starts, *(RunFinished(9.0, 8.0, code, "failed") for code in (2, 1))]):
        told.add(JournalEntry(seq, 5.0, event, 0))
    assert (told.run["suite"], told.run["exit_code"], told.run_ended, dict(told.rows)) == ("a", 1, True, {})


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, 0), (1.5, 1_500_000), (-1.0, -1_000_000), (1e300, None), (-1e300, None), (float("nan"), None)],
)
def test_seconds_become_microseconds_where_a_calendar_has_them(seconds: float, expected: int | None) -> None:
    assert microseconds(seconds) == expected


@given(st.text(st.characters()))
def test_cleaned_text_is_utf_8_and_clean_already(text: str) -> None:
    assert clean(clean(text)) == clean(text).encode().decode()


def test_json_text_is_clean_in_keys_and_values() -> None:
    assert json_text({"\ud800": ["\udc80", {"é": 1}]}) == '{"\\\\ud800":["\\\\udc80",{"é":1}]}'
