"""Running tests on nodes, from Python.

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

_HOMES = {
    "DistributedTestRunner": "test_runner",
    "NodeManager": "node_manager",
    "ResultsAggregator": "results_aggregator",
    "TestNode": "test_node",
    "TestResult": "test_result",
    "TestResults": "test_result",
    "TestScheduler": "test_scheduler",
}

__all__ = [
    "DistributedTestRunner",
    "NodeManager",
    "ResultsAggregator",
    "TestNode",
    "TestResult",
    "TestResults",
    "TestScheduler",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
