"""A workplace whose tests run on hosts of their own, and what a test asks of these."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.hosts.host import Host
from tests.hosts.lab import Lab
from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import Workplace, until

RUN = "fleet"


@dataclass
class FleetPlace:
    """The command line on this machine, and hosts that it reaches by ssh."""

    workplace: Workplace
    lab: Lab

    def write_nodes(self, nodes: Iterable[dict[str, Any]], **framework: float) -> str:
        """A nodes file; its name."""
        # What is JSON is YAML.
        self.workplace.write("fleet.nodes.yaml", json.dumps({"nodes": list(nodes), "framework": framework}))
        return "fleet.nodes.yaml"

    def events(self, kind: str, run_id: str = RUN) -> list[dict[str, Any]]:
        """What the journal of a run says of this kind by now."""
        return [line["data"] for line in self.workplace.journal(run_id) if line["kind"] == kind]

    def starts(self, node_id: str, run_id: str = RUN) -> list[str]:
        """The tests that were started on a node, in their order."""
        return [told["test_id"] for told in self.events("attempt_started", run_id) if told["node_id"] == node_id]

    def lost(self, node_id: str, run_id: str = RUN) -> list[str]:
        """The tests of which a node has lost an attempt."""
        results = (told["result"] for told in self.events("attempt_finished", run_id))
        return [one["test_id"] for one in results if one["node_id"] == node_id and one.get("reason") == "node_lost"]

    def find_left(self, hosts: Sequence[Host] | None = None, seconds: float = OUTLIVED_SECONDS) -> list[str]:
        """What is on these hosts, or on all, that a run should not have left: processes and files, in words.

        Args:
            seconds: that processes and files are given; by default as long as users are promised.
        """
        asked = self.lab.hosts if hosts is None else hosts
        with contextlib.suppress(AssertionError):
            until(lambda: not any(host.processes() or host.files() for host in asked), "nothing is left", seconds)
        return [
            *(f"on {host}: process {words!r}" for host in asked for words in host.describe_processes()),
            *(f"on {host}: {path}" for host in asked for path in host.files()),
        ]
