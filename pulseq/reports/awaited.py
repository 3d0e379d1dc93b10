"""What the first test of a run waits for: what is being started, and what pytest is still to tell."""

from __future__ import annotations

from dataclasses import dataclass, field

from pulseq.events import RunStarted, TestPlanned
from pulseq.reports.wording import say_count

#: Options of a run's first event that tell of what it starts: the number of its nodes, whose the Prefect server is.
NODES = "nodes"
OWN_SERVER = "own_server"


@dataclass(slots=True)
class Awaited:
    """Parts that are not there yet.

    Attributes:
        nodes: how many there are to be; None where nobody can tell.
        own_server: whether the run starts the Prefect server; None where that is not known.
        flow_run: whether Prefect has not begun the flow run yet.
    """

    nodes: int | None = None
    own_server: bool | None = None
    flow_run: bool = True
    _entries: dict[str, None] = field(default_factory=dict)
    _all_planned: bool = False

    def begin(self, event: RunStarted) -> None:
        """The run has begun; its first event tells what it needs."""
        nodes, own_server = event.options.get(NODES), event.options.get(OWN_SERVER)
        self.nodes = nodes if isinstance(nodes, int) else None
        self.own_server = own_server if isinstance(own_server, bool) else None

    def planned(self, event: TestPlanned) -> None:
        """A test was accepted; before the first collection one of pytest is an entry that is to be collected."""
        if event.body == "pytest" and not self._all_planned:
            self._entries[event.test_id] = None

    def collected(self, entry: str) -> None:
        """An entry is known, or will not be."""
        if entry in self._entries:
            del self._entries[entry]
            self._all_planned = True

    def say(self, *, nodes_here: int, tests_waiting: bool) -> str:
        """All that is waited for, as `the Prefect server, 2 nodes and pytest to collect its tests`."""
        parts = []
        if self.flow_run:
            parts.append("the Prefect API" if self.own_server is False else "the Prefect server")
        if said := self._say_nodes(nodes_here):
            parts.append(said)
        if self._entries:
            count = len(self._entries)
            parts.append(f"pytest to collect {'its tests' if count == 1 else f'the tests of {count} entries'}")
        if not parts:
            return "a free slot" if tests_waiting else ""
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)

    def _say_nodes(self, here: int) -> str:
        if self.nodes is None:
            return "" if here else "a node"
        missing = self.nodes - here
        if missing <= 0:
            return ""
        return f"{missing} of {self.nodes} nodes" if here else say_count(missing, "node")
