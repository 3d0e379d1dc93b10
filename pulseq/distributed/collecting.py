"""Putting a suite's tests into the queue; pytest entries when a node has said what they hold."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pulseq.distributed.dispatcher import Dispatcher
from pulseq.distributed.expansion import items_of, spec_of
from pulseq.distributed.run_options import RunOptions
from pulseq.engine.cluster import LiveNode
from pulseq.errors import UsageError
from pulseq.models import Collection, PytestBody, PytestSpec, Reason, Suite, TestCase

logger = logging.getLogger("pulseq.collect")


async def accept_suite(suite: Suite, dispatcher: Dispatcher, options: RunOptions) -> None:
    """Queue every test of a suite that was asked for.

    Raises:
        UsageError: pytest does not take what the command line gave it.
    """
    entries: list[TestCase] = []
    for test in suite.tests:
        if isinstance(test.body, PytestBody):
            dispatcher.plan(test)
            entries.append(test)
        elif options.wants(test.id):
            dispatcher.accept(test)
    await asyncio.gather(*(_collect(entry, dispatcher, options) for entry in entries))


async def _collect(entry: TestCase, dispatcher: Dispatcher, options: RunOptions) -> None:
    spec = spec_of(entry, options.run_id, keyword=options.keyword, markers=options.markers)
    dispatcher.specs[entry.id] = spec
    nodes = dispatcher.fits(entry)
    if not nodes:
        dispatcher.end_unsatisfiable([entry.key])
        return
    collecting = {asyncio.create_task(_collect_on(node, spec, dispatcher)): node for node in nodes}
    done, rest = await asyncio.wait(collecting, return_when=asyncio.FIRST_COMPLETED)
    first = next(iter(done))
    # The others go on: each node needs its own collection to fork from.
    for task in rest:
        task.add_done_callback(_retrieve)
    _expand(entry, first.result(), collecting[first].id, dispatcher, options)


async def _collect_on(node: LiveNode, spec: PytestSpec, dispatcher: Dispatcher) -> Collection:
    collection: Collection = await dispatcher.runner.collect(dispatcher.run_id, node.address, spec)
    return collection


def _expand(entry: TestCase, collection: Collection, node_id: str, dispatcher: Dispatcher, options: RunOptions) -> None:
    direct = entry.location is None  # what the command line named, and no line of a suite file
    if collection.usage_error is not None:
        if direct:
            raise UsageError(f"pytest: {collection.usage_error}")
        dispatcher.close(entry, Reason.SETUP, collection.usage_error, node_id)
        return
    collected = items_of(entry, collection, node_id, prefix=not direct)
    items = [item for item in collected.items if options.wants(item.id)]
    dispatcher.expand(entry, len(items) + len(collected.verdicts))
    for case, result in collected.verdicts:
        dispatcher.book_collected(case, result)
    for item in items:
        dispatcher.accept(item)


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.debug("a further node could not collect: %s", task.exception())
