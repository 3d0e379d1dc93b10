"""Trivial tests, each a Prefect task run: against stock Prefect on Dask, and against no Dask at all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, run_child
from tests.benchmarks.row import Compare, Measured, Row, Samples, at_least, at_most
from tests.benchmarks.standing import Standing, pulseq_standing, stock_server

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
    home = str(directory / "prefect-home")
    with (
        pulseq_standing(bench.directory("dispatch-nodes"), nodes=NODES, slots=1) as standing,
        stock_server(directory) as stock_url,
    ):
        sides = {
            "simulate": partial(_ours, standing, directory, count, "simulate"),
            "call": partial(_ours, standing, directory, count, "call"),
            "stock": partial(_stock, "dask", stock_count, stock_url, home),
            "sequence": partial(_stock, "sequence", count, standing.api_url, home),
        }
        needed = _sides_needed(bench)
        # Once for nothing: the nodes import what a first run imports.
        _ours(standing, directory, 20, "simulate")
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


def _ours(standing: Standing, directory: Path, count: int, body: str) -> dict[str, float]:
    configuration = {
        "count": count,
        "body": body,
        "shortest": 0.0,
        "longest": 0.0,
        "home": str(directory / "home"),
        "scheduler": standing.scheduler,
        "api_url": standing.api_url,
    }
    told = run_child("pulseq_run", configuration, PREFECT_API_URL=standing.api_url, PREFECT_LOGGING_LEVEL="CRITICAL")
    return _per_test(told, count)


def _stock(way: str, count: int, api_url: str, home: str) -> dict[str, float]:
    configuration = {"way": way, "count": count, "workers": NODES, "api_url": api_url}
    quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL"} if way == "sequence" else {}
    told = run_child("stock_flow", configuration, PREFECT_API_URL=api_url, PREFECT_HOME=home, **quiet)
    return _per_test(told, count)


def _per_test(told: dict[str, Any], count: int) -> dict[str, float]:
    return {moment: told[f"{moment}_seconds"] / count * 1000 for moment in ("verdict", "recorded")}
