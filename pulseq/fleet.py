"""The machines that tests run on, as they are described: nodes, how they are reached, how they are used.

Durations are seconds, sizes bytes, unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pulseq.models import CapabilityValue

#: As `max_concurrent_tests`: as many as its host has processors for the node.
SLOT_A_PROCESSOR = 0
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Strategy(StrEnum):
    """How a test finds its node among those that fit."""

    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"
    LONGEST_FIRST = "longest_first"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True)
class FrameworkConfig:
    """The `framework` section of a nodes file; intervals in seconds.

    Attributes:
        heartbeat_interval: how often a node is looked at.
        node_timeout: silence after which a node is inactive.
        strategy: `load_balancing_strategy`.
        aggregation_enabled: whether results go to DuckDB while the run goes on.
        aggregation_interval: how often they do.
        persist_results: whether they go to the database file at all.
    """

    heartbeat_interval: float = 30.0
    node_timeout: float = 60.0
    strategy: Strategy = Strategy.ADAPTIVE
    aggregation_enabled: bool = True
    aggregation_interval: float = 5.0
    persist_results: bool = True


@dataclass(frozen=True, slots=True)
class SshSpec:
    """How a host is reached and what is used there; None leaves it to `~/.ssh/config`, or to what is found there.

    Attributes:
        user, port, identity: as ssh's `-l`, `-p` and `-i` take them.
        options: as ssh's `-o` takes them, by name.
        python: the interpreter there that has PulseQ.
        directory: where the host keeps projects and environments.
    """

    user: str | None = None
    port: int | None = None
    identity: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    python: str | None = None
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A labelled machine, or slot group, that runs tests.

    Attributes:
        host: `localhost`, or a name that ssh knows.
        port: where the node of this machine listens; 0 is any free port.
        capabilities: what is declared; what can be read off the machine is filled in where the node starts.
        joins: it is started there (`pulseq node start`) and comes by itself.
        ssh: how its host is reached.
        env: variables of all bodies that run on it.
        python: interpreter of `call` and `pytest` bodies that name none; None is the node's.
    """

    id: str
    host: str = "localhost"
    port: int = 0
    capabilities: Mapping[str, CapabilityValue] = field(default_factory=dict)
    max_concurrent_tests: int = 1
    joins: bool = False
    ssh: SshSpec = field(default_factory=SshSpec)
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is started on this machine, as a child of whoever owns it."""
        return self.host in LOCAL_HOSTS and not self.joins and self.ssh == SshSpec()


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes of a nodes file and how they are to be used."""

    nodes: tuple[NodeSpec, ...]
    framework: FrameworkConfig = field(default_factory=FrameworkConfig)
    source: str | None = None

    @property
    def slots(self) -> int:
        """How many tests they run at a time."""
        return sum(node.max_concurrent_tests for node in self.nodes)

    @property
    def has_local(self) -> bool:
        """Whether one of its nodes is started on this machine."""
        return any(node.is_local for node in self.nodes)

    def gets_project(self, *, ship: bool | None) -> bool:
        """Whether the project of a run goes to one of its nodes; `ship` as the options of a run have it."""
        return any(not node.is_local for node in self.nodes) if ship is None else ship
