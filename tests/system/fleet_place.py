"""A workplace whose tests run on hosts of their own, and what a test asks of these."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hosts.host import Host
from tests.hosts.lab import Lab
from tests.hosts.login import HOME_OF, TESTER
from tests.promises import OUTLIVED_SECONDS
from tests.system.workplace import Workplace, until

RUN = "fleet"
CREDENTIALS = "fleet.pem"
#: What stays on a host, so that the next run finds it: projects and their environments; what pytest itself keeps; of a
#: node that has joined by itself what it is, its log, and its credentials.
KEPT = re.compile(
    r"/home/tester/\.cache(/pulseq(/w(/deciding)?|/projects(/incoming|/store.id|/store.lock|/(objects|packs|prepared|trees)(/.*)?)?)?)?"
    r"|/tmp/pytest-of-tester(/.*)?"
    rf"|/home/tester/({re.escape(CREDENTIALS)}|\.pulseq(/nodes(/[^/]+(/[^/]+|/logs/[^/]+)?)?)?)"
)


@dataclass
class HostWorkplace(Workplace):
    """A directory of a host's, and the command line there."""

    host: Host = field(kw_only=True)

    @classmethod
    def on(cls, host: Host) -> HostWorkplace:
        """In a directory of its own in the home of the tester."""
        there = Path(HOME_OF[TESTER], "place")
        host.write(there / "empty", "").unlink()
        return cls(host.path(there), {"PULSEQ_HOME": str(there / "home"), "CI": "1"}, host=host)

    @property
    def there(self) -> str:
        """The same directory, as the host calls it."""
        return f"{HOME_OF[TESTER]}/{self.path.name}"

    def write(self, name: str, text: str) -> Path:
        return self.host.write(f"{self.there}/{name}", text)

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        command = ["pulseq", *map(str, arguments)]
        process = self.host.start(command, cwd=self.there, **{**self.environment, **environment})
        self.started.append(process)
        return process

    def sql(self, query: str) -> list[dict[str, Any]]:
        """As the command line answers there: DuckDB follows the way to a host's files to those of this machine."""
        asked = self.run("sql", query, "--format", "json")
        assert asked.code == 0, asked.err
        rows: list[dict[str, Any]] = asked.json
        return rows


@dataclass
class FleetPlace:
    """The command line, on this machine or on a host, and hosts that it reaches by ssh."""

    workplace: Workplace
    lab: Lab

    @property
    def listens(self) -> str:
        """Where the scheduler is to listen. Its port is taken on loopback, too, so that no two fleets can have one."""
        driver = self.workplace.host if isinstance(self.workplace, HostWorkplace) else self.lab
        return f"{driver.address}:{20_000 + int(driver.address.split('.')[2])}"

    def write_suite(self, text: str) -> str:
        """A suite, alone in its project; its name."""
        self.workplace.write("project/suite.yaml", text)
        return "project/suite.yaml"

    def write_nodes(self, nodes: Iterable[dict[str, Any]], **framework: float) -> str:
        """A nodes file; its name."""
        # What is JSON is YAML.
        self.workplace.write("fleet.nodes.yaml", json.dumps({"nodes": list(nodes), "framework": framework}))
        return "fleet.nodes.yaml"

    def up(self, nodes: str) -> None:
        """A standing fleet of a nodes file, which other hosts can join."""
        for words in (("certs", "init"), ("up", "--nodes", nodes, "--listen", self.listens)):
            done = self.workplace.run(*words)
            assert done.code == 0, done.err

    def join(self, host: Host, *more: str) -> subprocess.Popen[str]:
        """A node of the host's name, started there; it has joined the fleet."""
        name = host.name
        assert self.workplace.run("certs", "node", name).code == 0
        host.write(CREDENTIALS, (self.workplace.path / f"{name}.pem").read_text()).chmod(0o600)
        where = ["--scheduler", f"tls://{self.listens}", "--credentials", CREDENTIALS, "--id", name]
        joining = host.start(["pulseq", "node", "start", *where, *more])
        assert joining.stderr is not None
        said = iter(joining.stderr.readline, "")
        assert any("joined tls://" in line for line in said), joining.wait()
        return joining

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
            until(lambda: not any(host.processes() or _files(host) for host in asked), "nothing is left", seconds)
        return [
            *(f"on {host}: process {words!r}" for host in asked for words in host.describe_processes()),
            *(f"on {host}: {path}" for host in asked for path in _files(host)),
        ]


def _files(host: Host) -> list[str]:
    return [path for path in host.files() if not KEPT.fullmatch(path)]
