"""Trivial tests, each a Prefect task run: against stock Prefect on Dask, and against no Dask at all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, run_child
from tests.benchmarks.row import Compare, Measured, Row, Samples, at_least, at_most
from tests.benchmarks.standing import pulseq_up, run_made_up, standing_of, stock_server

NODES = 2
VERDICT, RECORDED, CALL, SEQUENCE = "dispatch", "dispatch-recorded", "dispatch-call", "dispatch-sequence"
_STOCK = "stock DaskTaskRunner.submit"
ROWS = (
    Row(VERDICT, "500 trivial tests, until the last verdict", _STOCK, "ms/test", at_least(30), Compare.FASTER),
    Row(RECORDED, "the same, until the server has recorded all", _STOCK, "ms/test", at_least(15), Compare.FASTER),
    Row(CALL, "500 calls in process trees of their own, last verdict", _STOCK, "ms/test", None, Compare.FASTER),
    Row(
        SEQUENCE,
        "500 trivial tests, until the last verdict",
        "tasks called in sequence, no Dask",
        "ms/test",
        at_most(1.1),
    ),
)


def measure(bench: Bench) -> Measured:
    """All rows from the same runs."""
    count, stock_count = bench.size(500, 100), bench.size(100, 20)
    directory = bench.directory("dispatch")
    prefect = {"PREFECT_HOME": str(directory / "prefect-home")}
    with (
        pulseq_up(directory / "home", nodes=NODES, slots=1) as home,
        stock_server(directory) as stock_url,
    ):
        sides = {
            "simulate": partial(_ours, home, count, "simulate"),
            "call": partial(_ours, home, count, "call"),
            "stock": partial(_stock, "dask", stock_count, {**prefect, "PREFECT_API_URL": stock_url}),
            "sequence": partial(_stock, "sequence", count, {**prefect, **standing_of(home).variables}),
        }
        needed = _sides_needed(bench)
        # Once for nothing: the nodes import what a first run imports.
        _ours(home, 20, "simulate")
        measured = dict(zip(needed, bench.interleave(*(sides[side] for side in needed)), strict=True))
    note = f"stock measured with {stock_count} tasks, per test" if "stock" in measured else ""
    return _samples(measured, note)


def _sides_needed(bench: Bench) -> list[str]:
    return [
        side
        for side, wanted in (
            ("simulate", bench.wants(VERDICT, RECORDED, SEQUENCE)),
            ("stock", bench.wants(VERDICT, RECORDED, CALL)),
            ("sequence", bench.wants(SEQUENCE)),
            ("call", bench.wants(CALL)),
        )
        if wanted
    ]


def _samples(measured: dict[str, list[dict[str, float]]], note: str) -> Measured:
    comparisons = {
        VERDICT: ("simulate", "stock", "verdict"),
        RECORDED: ("simulate", "stock", "recorded"),
        CALL: ("call", "stock", "verdict"),
        SEQUENCE: ("simulate", "sequence", "verdict"),
    }
    return {
        row: Samples(
            {ours: [run[moment] for run in measured[ours]]},
            {theirs: [run[moment] for run in measured[theirs]]},
            (note,) if theirs == "stock" else (),
        )
        for row, (ours, theirs, moment) in comparisons.items()
        if ours in measured and theirs in measured
    }


def _ours(home: Path, count: int, body: str) -> dict[str, float]:
    return _per_test(run_made_up(home, count, body=body, shortest=0.0, longest=0.0), count)


def _stock(way: str, count: int, environment: Mapping[str, str]) -> dict[str, float]:
    configuration = {"way": way, "count": count, "workers": NODES, "api_url": environment["PREFECT_API_URL"]}
    quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL"} if way == "sequence" else {}
    return _per_test(run_child("stock_flow", configuration, **environment, **quiet), count)


def _per_test(told: dict[str, Any], count: int) -> dict[str, float]:
    return {moment: told[f"{moment}_seconds"] / count * 1000 for moment in ("verdict", "recorded")}
