"""From the tests that were picked for a node to what is sent there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from uuid import uuid4

from msgspec.structs import replace

from pulseq.models import Key, PytestItemBody, TestCase
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.names import name_task_run
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work, pack_name
from pulseq.pytest_sessions import PytestOrder, PytestSpec
from pulseq.run.in_flight import DispatchInFlight
from pulseq.run.ledger import Ledger


def build_dispatch(
    key: str, run_id: str, pick: Pick, ledger: Ledger, specs: Mapping[str, PytestSpec], *, after: str | None = None
) -> tuple[Dispatch, DispatchInFlight]:
    """What is sent for a pick, and what is kept of it; `after` is the dispatch whose slot it will have."""
    work, in_place = build_work(pick.tests, ledger, specs)
    work = [_named(unit, pick.node_id, ledger) for unit in work]
    task_runs = {uuid4(): unit.name for unit in work}
    tests = {test.key: test for test in pick.tests}
    in_order = {key: tests[key] for unit in work for key in unit.keys}
    priority = max(int(test.priority) for test in pick.tests)
    dispatch = Dispatch(key, run_id, tuple(work), tuple(task_runs), after, priority)
    return dispatch, DispatchInFlight(pick.node_id, in_order, in_place, task_runs, after)


def _named(unit: Work, node_id: str, ledger: Ledger) -> Work:
    name = name_task_run(unit.name, node_id, [ledger.case(key) for key in unit.keys])
    return replace(unit, name=name)


def build_work(
    tests: Iterable[QueuedTest], ledger: Ledger, specs: Mapping[str, PytestSpec]
) -> tuple[list[Work], frozenset[Key]]:
    """The task runs that carry these tests, and the tests that Prefect retries in place.

    A test of its own is retried by its task run; one of a pack is not, since the whole pack would be.
    What is packed of one entry shares a task run, whatever files it is of: a dispatch takes a few seconds.
    A scope has one of its own: it can be asked back as a whole, or not at all.
    """
    work: list[Work] = []
    packs: list[list[QueuedTest]] = []
    latest: dict[object, list[QueuedTest]] = {}
    in_place: set[Key] = set()
    for test in tests:
        if test.pack is None:
            in_place.add(test.key)
            work.append(_single(ledger.case(test.key), ledger, specs))
            continue
        entry = test.pack[0]
        if entry not in latest or latest[entry][-1].scope != test.scope:
            latest[entry] = []
            packs.append(latest[entry])
        latest[entry].append(test)
    work.extend(_pack(pack, ledger, specs) for pack in packs)
    return work, frozenset(in_place)


def _single(case: TestCase, ledger: Ledger, specs: Mapping[str, PytestSpec]) -> Work:
    test = ledger.test(case.key)
    attempt, retries, failed, suspect = test.next_attempt, test.retries_left, test.has_failed, test.is_suspect
    if not isinstance(case.body, PytestItemBody):
        # Nodes read no labels, which may be anything that a program has put there.
        there = dataclasses.replace(case, labels={}) if case.labels else case
        return TestWork(case.id, there, attempt, retries, failed, suspect)
    order = _order(case, case.body, ledger)
    spec = specs[case.body.entry]
    # A further attempt gets a fork that no earlier test has touched.
    delay = case.retry_delay_seconds
    return PytestWork(case.id, spec, (order,), retries, delay, attempt > 1, failed, suspect=suspect)


def _pack(tests: Sequence[QueuedTest], ledger: Ledger, specs: Mapping[str, PytestSpec]) -> PytestWork:
    cases = [ledger.case(test.key) for test in tests]
    bodies = [case.body for case in cases if isinstance(case.body, PytestItemBody)]
    orders = tuple(_order(case, body, ledger) for case, body in zip(cases, bodies, strict=True))
    return PytestWork(pack_name(orders), specs[bodies[0].entry], orders, whole=tests[0].scope is not None)


def _order(case: TestCase, body: PytestItemBody, ledger: Ledger) -> PytestOrder:
    attempt = ledger.test(case.key).next_attempt
    return PytestOrder(case.id, case.variant, body.nodeid, attempt, case.timeout_seconds, case.metrics)
