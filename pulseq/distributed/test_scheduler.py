"""Which test goes where: the documented scheduler, and where the queue of every run comes from."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulseq.capabilities import nearest_miss
from pulseq.distributed.scheduled_tests import ScheduledTests
from pulseq.distributed.session import Session, config_of, current_session
from pulseq.distributed.test_node import TestNode, node_of
from pulseq.errors import hint_at_nearest
from pulseq.fleet import LOCAL_HOSTS, FrameworkConfig
from pulseq.models import CapabilityValue, TestCase
from pulseq.node.machine import read_machine
from pulseq.planning.queued import NodeOffer
from pulseq.suites.one_test import test_from_mapping

logger = logging.getLogger("pulseq.schedule")


class TestScheduler:
    """Takes tests and says which node each is for.

    What is assigned can be seen before anything runs. It is the strategy's own choice; a run begins with it,
    but lets no free slot wait, so a test may then run elsewhere, and is seen there.

    Made without arguments it shares nodes with the runner that was made last, or is made next.

    Args:
        config: a framework configuration, as one or as a dict; of it `load_balancing_strategy` counts here.
        session: what it shares with a runner, where that is not to be the current one.

    Raises:
        ValueError: the configuration cannot be used.
    """

    __test__ = False

    def __init__(
        self, *, config: FrameworkConfig | Mapping[str, Any] | None = None, session: Session | None = None
    ) -> None:
        self._config = config_of(config)
        self.session = session or current_session("scheduler")
        self.session.join("scheduler", self)
        self.tests = ScheduledTests()
        self.session.waiting.append(self.tests)
        self._registered: dict[str, TestNode] = {}

    @property
    def config(self) -> FrameworkConfig:
        """Its own configuration, or that of the runner that it shares nodes with."""
        return self._config or self.session.config

    async def schedule_test(self, test: Mapping[str, Any]) -> None:
        """Have a test run with the next `run_tests`.

        Args:
            test: a dict with the keys of a suite file. One without a body is simulated for its `duration`.
                Keys that are not known are kept as labels, with a `UserWarning` where one looks like a typo.

        Raises:
            ValueError: it has a value that cannot be used, or the id of a test that waits or runs.
            RuntimeError: the runner was closed.
        """
        if self.session.closed:
            raise RuntimeError("the runner of this scheduler was closed; make a new runner and a new scheduler")
        case = read_test(test, stacklevel=3)
        self.tests.add(test, case)
        if logger.isEnabledFor(logging.DEBUG):
            self._assign()
            logger.debug("%s", self._say(case))

    async def register_node(self, node: TestNode | Mapping[str, Any]) -> None:
        """Let tests be assigned to a node; it is not started, as `DistributedTestRunner.add_node` does.

        Raises:
            ValueError: it is no node, or there is another one of this id.
        """
        added = node_of(node)
        known = self._registered.get(added.id) or self.session.nodes.get(added.id)
        if added.id in self._registered or (known is not None and known != added):
            raise ValueError(f"node: id: found {added.id!r} again, expected one that no other node has")
        self._registered[added.id] = added

    def get_node_tests(self, node_id: str) -> list[Mapping[str, Any]]:
        """The tests that are assigned to a node, as they were given, until they have their verdicts.

        Raises:
            KeyError: there is no such node.
        """
        self._check_node(node_id)
        self._assign()
        return self.tests.on_node(node_id)

    def get_node_load(self, node_id: str) -> int:
        """How many tests are assigned to a node.

        Raises:
            KeyError: there is no such node.
        """
        self._check_node(node_id)
        self._assign()
        return self.tests.count(node_id)

    def get_node_loads(self) -> dict[str, int]:
        """How many tests are assigned to each node, by node id."""
        self._assign()
        return {node_id: self.tests.count(node_id) for node_id in self._nodes}

    def distribute(self, session: Session) -> None:
        """Assign what waits to the nodes of a runner's session, which are this scheduler's from here on."""
        if self.tests not in session.waiting:
            session.waiting.append(self.tests)
        self.session = session
        self._assign()

    def _assign(self) -> None:
        self.tests.assign(self._offers().values(), self.config.strategy)

    @property
    def _nodes(self) -> dict[str, TestNode]:
        return {**self._registered, **self.session.nodes}

    def _offers(self) -> dict[str, NodeOffer]:
        """What nodes offer that may have tests: not those that a node manager has drained or cordoned."""
        joined = self.session.joined
        return {
            node.id: NodeOffer(node.id, node.max_concurrent_tests, joined.get(node.id) or _capabilities_of(node))
            for node in self._nodes.values()
            if node.id not in self.session.marks
        }

    def _check_node(self, node_id: str) -> None:
        known = [*self._registered, *self.session.nodes]
        if node_id not in known:
            hint = hint_at_nearest(str(node_id), known)
            raise KeyError(f"there is no node {node_id!r}: register it, or add it to the runner{hint}")

    def _say(self, case: TestCase) -> str:
        offers = self._offers()
        for node_id in offers:
            if self.tests.is_on(case.id, node_id):
                return f"{case.id} is assigned to {node_id}, which has {self.tests.count(node_id)} now"
        return (
            f"{case.id} waits: {nearest_miss(case.requirements, {one.id: one.capabilities for one in offers.values()})}"
        )


def read_test(test: Mapping[str, Any], *, stacklevel: int) -> TestCase:
    """A test given as a dict; warns of what looks like a typo.

    Raises:
        ValueError: a value that cannot be used; the text says what was found and what was expected.
    """
    case, typos = test_from_mapping(test, base=Path.cwd())
    for typo in typos:
        warnings.warn(typo, stacklevel=stacklevel)
    return case


def _capabilities_of(node: TestNode) -> dict[str, CapabilityValue]:
    # What a node that has not been started will say of itself, where it is to be this machine.
    machine = _this_machine() if node.host in LOCAL_HOSTS else {}
    return {**machine, **node.capabilities}


@functools.cache
def _this_machine() -> dict[str, CapabilityValue]:
    return read_machine()
