"""What nodes say, as a run can take it: by whom, with numbers that can be, on the run's clock, without secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pulseq.blotting import blot_texts
from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.events import Event, RunNote
from pulseq.execution.runtime.blotting import Blotter
from pulseq.protocol.coding import ProtocolError
from pulseq.protocol.from_node import NodeMessage, Report, Sender, decode_report, sender_of
from pulseq.protocol.plausible import plausible
from pulseq.run.run_clocks import RunClocks

logger = logging.getLogger("pulseq.dispatch")


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
    #: Nodes that have told a number which cannot be.
    _implausible: set[str] = field(default_factory=set)

    def messages(self, data: bytes) -> Iterator[tuple[LiveNode, NodeMessage]]:
        """The messages of a report in their order, each with its node; none of one that is taken for lost.

        Raises:
            ProtocolError: it is no report, and nobody knows of whom.
        """
        try:
            report = decode_report(data)
        except ProtocolError as error:
            self._give_up_sender(data, error)
            return
        node = self._sent_by(report)
        if node is None:
            logger.debug("node %s was taken for lost before it said this", report.node_id)
            return
        for message in report.messages:
            if self.cluster.nodes.get(node.id) is not node:
                return  # given up for the one before
            if self.blotter is not None:  # the node has done so: this is for a way that it does not know
                message = blot_texts(message, self.blotter)
            yield node, self.clocks.on_our_clock(node, self._plausible(node, message))

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
