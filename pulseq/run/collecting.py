"""Putting a suite's tests into the queue; pytest entries when a node has said what they hold."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pulseq.cluster.cluster import LiveNode
from pulseq.errors import UsageError
from pulseq.events import EntryCollected, RunNote
from pulseq.models import PytestBody, Reason, Suite, TestCase
from pulseq.pytest_sessions import Collection, PytestSpec
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.expansion import NO_TESTS, CollectedTests, items_of, spec_of
from pulseq.run.last_failed import LastFailed
from pulseq.run.run_options import MAX_NODE_LOSSES, RunOptions

logger = logging.getLogger("pulseq.collect")

#: So many tests take some ten milliseconds, for which others wait.
_AT_ONCE = 500

#: How many entries one node collects at a time: each is some processes, whose start a machine can take just so often.
_MOST_COLLECTIONS = 16

#: Of each node, by its address: who may collect there.
Turns = Mapping[str, asyncio.Semaphore]


async def accept_suite(
    suite: Suite, dispatcher: Dispatcher, options: RunOptions, may_start: asyncio.Event | None = None
) -> None:
    """Queue every test of a suite that was asked for.

    Args:
        may_start: set as soon as no bad input can be found any more, although entries of suite files are
            still being collected.

    Raises:
        UsageError: pytest does not take what the command line gave it.
    """
    entries: list[TestCase] = []
    choice = LastFailed(options.only)
    for test in suite.tests:
        if isinstance(test.body, PytestBody):
            dispatcher.ledger.plan(test)
            entries.append(test)
        elif choice.takes(test):
            dispatcher.accept(test)
        else:
            choice.put_off(1, partial(_accept, dispatcher, test))
    unknown = {entry.id for entry in entries}
    turns: Turns = defaultdict(lambda: asyncio.Semaphore(_MOST_COLLECTIONS))

    async def collect(entry: TestCase) -> None:
        await _collect(entry, dispatcher, options, choice, turns)
        unknown.discard(entry.id)
        # Not a step of the loop later, when the run may have ended since no test was open.
        if not unknown:
            choice.settle()

    if not entries:
        choice.settle()
    collecting = [asyncio.create_task(collect(entry)) for entry in entries]
    try:
        await asyncio.gather(*(task for entry, task in zip(entries, collecting, strict=True) if _is_direct(entry)))
        if may_start is not None:
            may_start.set()
        await asyncio.gather(*collecting)
    finally:
        for task in collecting:
            task.cancel()
    if choice.said:
        dispatcher.ledger.tell(RunNote(choice.said))


async def _collect(
    entry: TestCase, dispatcher: Dispatcher, options: RunOptions, choice: LastFailed, turns: Turns
) -> None:
    spec = spec_of(entry, options.run_id, keyword=options.keyword, markers=options.markers, isolation=options.isolation)
    dispatcher.specs[entry.id] = spec
    dispatcher.entries[entry.id] = entry
    gone: set[str] = set()
    wants: dict[str, str] = {}
    nodes = dispatcher.nodes.fitting(entry)
    if not nodes and dispatcher.nodes.note_waiting(entry.requirements, 1):
        nodes = await dispatcher.nodes.wait_for_fitting(entry, gone)
    for _ in range(MAX_NODE_LOSSES):
        if not nodes:
            dispatcher.end_unsatisfiable(entry.key)
            return
        found = await _first_collection(nodes, spec, dispatcher, turns, wants)
        if found is not None:
            await _expand(entry, *found, dispatcher, choice)
            return
        if dispatcher.end_unable(entry.key, nodes):
            return
        if all(node.address in wants for node in nodes):
            why = "; ".join(f"{node.id}: {wants[node.address]}" for node in nodes)
            dispatcher.ledger.close(entry.key, Reason.NODE_LOST, f"no node can collect it ({why})")
            return
        # A call that fails is quicker than the scheduler's word that the node has left.
        gone |= {node.address for node in nodes}
        nodes = await dispatcher.nodes.wait_for_fitting(entry, gone)
        if not nodes:
            # One that is there after that time was too busy to be reached.
            nodes = dispatcher.nodes.fitting(entry)
    why = "every node that collected it was lost; it is probably what kills them"
    dispatcher.ledger.close(entry.key, Reason.NODE_LOST, why)


async def _first_collection(
    nodes: list[LiveNode], spec: PytestSpec, dispatcher: Dispatcher, turns: Turns, wants: dict[str, str]
) -> tuple[Collection, str] | None:
    """What the first of these nodes collected, and its id; None where none could.

    Args:
        wants: takes what the machines of those lack that cannot, by their addresses.
    """
    collecting = {asyncio.create_task(_collect_on(node, spec, dispatcher, turns, wants)): node for node in nodes}
    for task in collecting:
        task.add_done_callback(_retrieve)
    waiting = set(collecting)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not isinstance(task.exception(), OSError):
                    # The others go on: each node needs its own collection to fork from.
                    return task.result(), collecting[task].id
    except asyncio.CancelledError:
        for task in waiting:
            task.cancel()
        raise
    return None


async def _collect_on(
    node: LiveNode, spec: PytestSpec, dispatcher: Dispatcher, turns: Turns, wants: dict[str, str]
) -> Collection:
    if not await dispatcher.nodes.wait_until_ready(node):
        raise ConnectionError(f"node {node.id} cannot take part")
    async with turns[node.address]:
        collection: Collection = await dispatcher.runner.collect(dispatcher.run_id, node.address, spec)
    if collection.machine_wants is not None:
        dispatcher.ledger.tell(RunNote(f"node {node.id} cannot collect {spec.entry}: {collection.machine_wants}"))
        wants[node.address] = collection.machine_wants
        raise ConnectionError(collection.machine_wants)
    return collection


async def _expand(
    entry: TestCase, collection: Collection, node_id: str, dispatcher: Dispatcher, choice: LastFailed
) -> None:
    direct = _is_direct(entry)
    if collection.usage_error is not None:
        if direct:
            raise UsageError(f"pytest: {collection.usage_error}")
        dispatcher.ledger.close(entry.key, Reason.SETUP, collection.usage_error, node_id)
        return
    if collection.isolation_reason is not None:
        why = f"each slot is an interpreter of its own, since {collection.isolation_reason}"
        dispatcher.ledger.tell(RunNote(f"{entry.id}: {why}"))
    if collection.threads:
        threads = (
            f"threads run after the suite was imported ({', '.join(collection.threads)}), of which forks have none"
        )
        why = f"{threads}; where tests wait for them, take --isolation interpreter"
        dispatcher.ledger.tell(RunNote(f"{entry.id}: {why}"))
    if collection.loops:
        loops = f"{', '.join(collection.loops)} would run the items by another loop than pytest's (pytest_runtestloop)"
        why = "slots do not call it, nor do workers of pytest-xdist; `command: [pytest, …]` does"
        dispatcher.ledger.tell(RunNote(f"{entry.id}: {loops}; {why}"))
    dispatcher.ledger.tell(
        EntryCollected(entry.id, node_id, len(collection.items), collection.deselected, collection.warnings)
    )
    if collection.ordered:
        dispatcher.queue.keep_order(entry.id)
    collected = await asyncio.to_thread(items_of, entry, collection, node_id, prefix=not direct)
    tests = choice.among(collected)
    if tests is None:
        choice.put_off(collected.count, lambda every: _put_into(dispatcher, entry, collected if every else NO_TESTS))
    else:
        await _put_in_pieces(dispatcher, entry, tests)


def _put_into(dispatcher: Dispatcher, entry: TestCase, tests: CollectedTests) -> None:
    for _ in _putting(dispatcher, entry, tests):
        pass


async def _put_in_pieces(dispatcher: Dispatcher, entry: TestCase, tests: CollectedTests) -> None:
    """Put them into the queue, and let others have the loop in between; what is chosen is chosen among all of them."""
    putting = _putting(dispatcher, entry, tests)
    with dispatcher.adding():
        try:
            for _ in putting:
                await asyncio.sleep(0)
        finally:  # also where the run is stopped meanwhile: what was found has a verdict
            for _ in putting:
                pass


def _putting(dispatcher: Dispatcher, entry: TestCase, tests: CollectedTests) -> Iterator[None]:
    dispatcher.ledger.expand(entry.key, tests.count)
    for case, result in tests.verdicts:
        dispatcher.book_collected(case, result)
    for number, item in enumerate(tests.items, start=1):
        dispatcher.accept(item)
        if number % _AT_ONCE == 0:
            yield


def _accept(dispatcher: Dispatcher, test: TestCase, every: bool) -> None:
    if every:
        dispatcher.accept(test)


def _is_direct(entry: TestCase) -> bool:
    """Whether the command line has named it, and neither a line of a suite file nor a program."""
    return isinstance(entry.body, PytestBody) and entry.body.direct


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.debug("a further node could not collect: %s", task.exception())
