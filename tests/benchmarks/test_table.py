"""The table for people and the JSON for programs."""

from __future__ import annotations

import json

from tests.benchmarks.row import Outcome, Row, Samples, at_most
from tests.benchmarks.table import describe_outcome, render_table

_ROW = Row("short", "the work", "the others", "s", at_most(0.8))
_OUTCOME = Outcome(_ROW, Samples({"run": [1.0, 3.0, 2.0]}, {"a": [4.0], "b": [5.0]}, ("a note", "")))


def test_the_table_tells_medians_the_ratio_and_whether_the_goal_was_reached() -> None:
    head, line, row, *_ = render_table([_OUTCOME]).splitlines()

    assert ["row", "ours", "theirs", "ratio", "goal", "reached"] == [
        cell.strip() for cell in head.strip("|").split("|")
    ]
    assert set("|-") == set(line)
    assert ["short", "2 s", "4 s", "0.50", "≤ 0.8", "yes"] == [cell.strip() for cell in row.strip("|").split("|")]


def test_below_the_table_stands_what_was_compared_and_each_note() -> None:
    last = render_table([_OUTCOME]).splitlines()[-1]

    assert "short: the work; against the others (ours / theirs); run against a; a note" == last


def test_a_row_without_a_goal_has_dashes() -> None:
    outcome = Outcome(Row("told", "work", "others", "s", None), Samples({"run": [1234.5]}, {"run": [1.0]}))

    row = render_table([outcome]).splitlines()[2]

    assert ["told", "1,234 s", "1 s", "1234.50", "–", "–"] == [cell.strip() for cell in row.strip("|").split("|")]


def test_all_lines_of_the_table_are_equally_wide() -> None:
    table = render_table([_OUTCOME, Outcome(Row("a much longer name", "w", "o", "s", None), _OUTCOME.samples)])

    assert 1 == len({len(line) for line in table.splitlines()[:4]})


def test_the_json_has_every_sample_and_reads_back() -> None:
    told = json.loads(json.dumps(describe_outcome(_OUTCOME)))

    assert {"way": "run", "median": 2.0, "samples": {"run": [1.0, 3.0, 2.0]}} == told["ours"]
    assert {"is": "ours / theirs", "value": 0.5} == told["ratio"]
    assert ("≤ 0.8", True) == (told["goal"], told["reached"])
