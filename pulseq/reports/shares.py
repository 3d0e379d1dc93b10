"""How the work of a run was shared among its nodes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from pulseq.records import RunRecord
from pulseq.reports.wording import sort_names


@dataclass(frozen=True, slots=True)
class NodeWork:
    """What one node did of a run: not `node_summary`'s row, which knows no slots.

    Attributes:
        tests: verdicts that came from it.
        busy_seconds: sum of its attempts' durations.
        utilisation: busy seconds of what its slots had during the run, 0 to 1; 0 where unknown.
        losses: how often it went away in the middle.
        lost: whether it was away at the end.
    """

    node_id: str
    slots: int
    tests: int
    busy_seconds: float
    utilisation: float
    losses: int
    lost: bool

    @property
    def said_of_losses(self) -> str:
        """In words, for a person; empty where it was always there."""
        if not self.losses:
            return ""
        times = "" if self.losses == 1 else f" {self.losses} times"
        return f"lost{times}" if self.lost else f"lost{times}, came back"


def share_nodes(record: RunRecord) -> list[NodeWork]:
    """The shares of all nodes that joined or ran something, by their names."""
    tests: Counter[str] = Counter()
    busy: defaultdict[str, float] = defaultdict(float)
    for test in record.tests.values():
        if test.closed and test.closed.node_id:
            tests[test.closed.node_id] += 1
        for result in test.attempts.values():
            if result.node_id:
                busy[result.node_id] += result.duration
    wall = record.finished.wall_seconds if record.finished else 0.0
    losses = Counter(event.node_id for event in record.lost)
    shares = []
    for node_id in sort_names({*record.nodes, *tests, *busy}):
        slots = record.nodes[node_id].slots if node_id in record.nodes else 0
        use = busy[node_id] / (slots * wall) if slots * wall > 0 else 0.0
        lost = node_id in record.absent
        shares.append(NodeWork(node_id, slots, tests[node_id], busy[node_id], use, losses[node_id], lost))
    return shares
