"""Suites and fleets as people write them, read into the frozen words of `pulseq.models`."""

from pulseq.suites.arguments import load_arguments
from pulseq.suites.nodes_file import framework_from_mapping, load_fleet, local_fleet
from pulseq.suites.one_test import test_from_mapping
from pulseq.suites.selection import select
from pulseq.suites.suite_file import load_suite

__all__ = [
    "framework_from_mapping",
    "load_arguments",
    "load_fleet",
    "load_suite",
    "local_fleet",
    "select",
    "test_from_mapping",
]
