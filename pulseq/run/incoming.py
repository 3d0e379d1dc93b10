"""What nodes say, as a run can take it: by whom, with numbers that can be, on the run's clock, without secrets.

What a node tells is data: it may be damaged, or of somebody who wishes the run ill.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pulseq.blotting import blot_texts
from pulseq.bounds import LAST_MOMENT, MOST_BYTES, MOST_COUNT, MOST_SECONDS
from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.events import Event, RunNote
from pulseq.execution.runtime.blotting import Blotter
from pulseq.models import AttemptResult
from pulseq.protocol.coding import ProtocolError, decode
from pulseq.protocol.from_node import (
    AttemptEnd,
    AttemptStart,
    CasesFound,
    NodeMessage,
    Report,
    Sender,
    SessionEnd,
    TaskRunState,
    sender_of,
)
from pulseq.run.run_clocks import RunClocks

logger = logging.getLogger("pulseq.dispatch")

#: What a node has told reaches its driver in a moment, unless it was lost with a connection.
HEAR_SECONDS = 5.0


@dataclass(slots=True)
class Incoming:
    """Reads the reports of a run's nodes.

    Args:
        tell: takes what people should know of a node.
        give_up: called with a node that says what nobody understands, and why.
        blotter: of the run's secrets.
    """

    cluster: Cluster
    clocks: RunClocks
    tell: Callable[[Event], None]
    give_up: Callable[[LiveNode, str], None]
    blotter: Blotter | None = None
    #: How many reports have come, by the address of their node.
    _reports: Counter[str] = field(default_factory=Counter)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    #: Nodes that have told a number which cannot be.
    _implausible: set[str] = field(default_factory=set)

    def messages(self, data: bytes) -> Iterator[tuple[LiveNode, NodeMessage]]:
        """The messages of a report in their order, each with its node; none of one that is taken for lost.

        Raises:
            ProtocolError: it is no report, and nobody knows of whom.
        """
        try:
            report = decode(data, Report)
        except ProtocolError as error:
            self._give_up_sender(data, error)
            return
        node = self._sent_by(report)
        if node is None:
            logger.debug("node %s was taken for lost before it said this", report.node_id)
            return
        self._reports[node.address] += 1
        self._came.set()
        for message in report.messages:
            if self.cluster.nodes.get(node.id) is not node:
                return  # given up for the one before
            if self.blotter is not None:  # the node has done so: this is for a way that it does not know
                message = blot_texts(message, self.blotter)
            yield node, self.clocks.on_our_clock(node, self._plausible(node, message))

    async def hear(self, reports: Mapping[str, int]) -> None:
        """Until so many reports of nodes, given by their addresses, have come; what takes too long is not waited for.

        They come by another way than answers do.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAR_SECONDS):
                while any(self._is_behind(node, reports) for node in self.cluster.nodes.values()):
                    self._came.clear()
                    await self._came.wait()

    def _is_behind(self, node: LiveNode, reports: Mapping[str, int]) -> bool:
        return self._reports[node.address] < reports.get(node.address, 0)

    def _sent_by(self, sender: Report | Sender) -> LiveNode | None:
        node = self.cluster.nodes.get(sender.node_id)
        return node if node is not None and node.incarnation == sender.incarnation else None

    def _give_up_sender(self, data: bytes, error: ProtocolError) -> None:
        sender = sender_of(data)
        if sender is None:
            raise error
        if (node := self._sent_by(sender)) is not None:
            self.give_up(node, str(error))

    def _plausible(self, node: LiveNode, message: NodeMessage) -> NodeMessage:
        believed, trouble = plausible(message, self.clocks.now_at(node))
        if trouble is not None and node.id not in self._implausible:
            self._implausible.add(node.id)
            told = f"node {node.id} has told a number that cannot be ({trouble})"
            self.tell(RunNote(f"{told}: the nearest that can is taken, for this and others; see what is wrong there"))
        return believed


S = TypeVar("S", bound=Struct)
_Range = tuple[str, float, float]

#: No moment that a node tells of what it does is further from now, but for what began before and ends now.
FAR_SECONDS = 30 * 86_400.0

_OF_RESULT: tuple[_Range, ...] = (
    ("attempt", 1, MOST_COUNT),
    ("duration", 0.0, MOST_SECONDS),
    ("queue_seconds", 0.0, MOST_SECONDS),
    ("output_bytes", 0, MOST_BYTES),
    ("exit_code", -MOST_COUNT, MOST_COUNT),
    ("signal", 0, MOST_COUNT),
    ("leaked_processes", 0, MOST_COUNT),
)
#: What files tell of themselves may be any time that a calendar has.
_OF_CASE = (*_OF_RESULT, ("started_at", 0.0, LAST_MOMENT))
_OF_STATE: tuple[_Range, ...] = (
    ("run_count", 0, MOST_COUNT),
    ("run_seconds", 0.0, MOST_SECONDS),
    ("retries", 0, MOST_COUNT),
    ("retry_seconds", 0.0, MOST_SECONDS),
)
_MOMENTS = ("at", "started_at", "ended_at", "scheduled_at")


def plausible(message: NodeMessage, now: float) -> tuple[NodeMessage, str | None]:
    """A message with numbers that can be, which is itself where all are, and one that could not: `duration nan`.

    Metrics that are no numbers stay where they are, for the result to tell that they are left out.

    Args:
        now: what the node's clock says, in Unix seconds, as far as that is known.
    """
    match message:
        case AttemptEnd(result):
            believed, trouble = _attempt(result, now)
            return message if believed is result else replace(message, result=believed), trouble
        case TaskRunState():
            moments = [(name, now - FAR_SECONDS, now + FAR_SECONDS) for name in _MOMENTS]
            changes, trouble = _outside(message, (*_OF_STATE, *moments))
            return _changed(message, changes | {name: now for name in changes if name in _MOMENTS}), trouble
        case CasesFound():
            cases, trouble = _cases(message.cases)
            bad_files, more = _cases(message.bad_files)
            changed = trouble is not None or more is not None
            return replace(message, cases=cases, bad_files=bad_files) if changed else message, trouble or more
        case AttemptStart():
            changes, trouble = _outside(message, _OF_RESULT[:1])
            return _changed(message, changes), trouble
        case SessionEnd(_, result=end):
            changes, trouble = _outside(end, (("exit_status", -MOST_COUNT, MOST_COUNT),))
            return replace(message, result=_changed(end, changes)) if changes else message, trouble
    return message, None


def _attempt(result: AttemptResult, now: float) -> tuple[AttemptResult, str | None]:
    result, trouble = _result(result, _OF_RESULT)
    # Zero says that nothing was started.
    if result.started_at and not abs(result.started_at + result.duration - now) <= FAR_SECONDS:
        trouble = trouble or f"started_at {result.started_at!r}"
        result = replace(result, started_at=now - result.duration)
    return result, trouble


def _cases(results: tuple[AttemptResult, ...]) -> tuple[tuple[AttemptResult, ...], str | None]:
    found = [_result(result, _OF_CASE) for result in results]
    return tuple(result for result, _ in found), next((trouble for _, trouble in found if trouble), None)


def _result(result: AttemptResult, ranges: Iterable[_Range]) -> tuple[AttemptResult, str | None]:
    changes, trouble = _outside(result, ranges)
    for name, value in result.metrics.items():
        if not math.isfinite(value):
            trouble = trouble or f"metric {name!r} {value!r}"
    for name, count in result.subtests.items():
        if not 0 <= count <= MOST_COUNT:
            trouble = trouble or f"subtests {name!r} {count!r}"
            changes["subtests"] = {one: min(max(many, 0), MOST_COUNT) for one, many in result.subtests.items()}
    return _changed(result, changes), trouble


def _outside(told: Struct, ranges: Iterable[_Range]) -> tuple[dict[str, object], str | None]:
    """The nearest that can be for each number that cannot, and the first of these."""
    changes: dict[str, object] = {}
    trouble = None
    for name, least, most in ranges:
        value = getattr(told, name)
        if value is not None and not least <= value <= most:
            trouble = trouble or f"{name} {value!r}"
            changes[name] = most if value > most else least  # which is also for what is no number
    return changes, trouble


def _changed(told: S, changes: dict[str, object]) -> S:
    return replace(told, **changes) if changes else told
