"""Running tests on nodes, and tasks of any flow, from Python.

The names are loaded when they are first used, so that the command line need not wait for all of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulseq.distributed.node_manager import NodeManager as NodeManager
    from pulseq.distributed.results_aggregator import ResultsAggregator as ResultsAggregator
    from pulseq.distributed.test_node import TestNode as TestNode
    from pulseq.distributed.test_result import TestResult as TestResult
    from pulseq.distributed.test_result import TestResults as TestResults
    from pulseq.distributed.test_runner import DistributedTestRunner as DistributedTestRunner
    from pulseq.distributed.test_scheduler import TestScheduler as TestScheduler
    from pulseq.orchestration.requirements import requires as requires
    from pulseq.orchestration.task_runner import NodeTaskRunner as NodeTaskRunner

_HOMES = {
    "DistributedTestRunner": "pulseq.distributed.test_runner",
    "NodeManager": "pulseq.distributed.node_manager",
    "NodeTaskRunner": "pulseq.orchestration.task_runner",
    "ResultsAggregator": "pulseq.distributed.results_aggregator",
    "TestNode": "pulseq.distributed.test_node",
    "TestResult": "pulseq.distributed.test_result",
    "TestResults": "pulseq.distributed.test_result",
    "TestScheduler": "pulseq.distributed.test_scheduler",
    "requires": "pulseq.orchestration.requirements",
}

__all__ = [
    "DistributedTestRunner",
    "NodeManager",
    "NodeTaskRunner",
    "ResultsAggregator",
    "TestNode",
    "TestResult",
    "TestResults",
    "TestScheduler",
    "requires",
]


def __dir__() -> list[str]:
    return [*__all__, *globals()]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
