"""The quickstart that the README shows: what it holds, and that its own tests are as they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.capabilities import match
from pulseq.suites.common_keys import KINDS
from pulseq.suites.nodes_file import load_fleet
from pulseq.suites.suite_file import load_suite

SUITES = Path(__file__).parents[2] / "deployments" / "suites"
SUITE = load_suite(SUITES / "quickstart.yaml")
FLEET = load_fleet(SUITES.parent / "nodes" / "quickstart.yaml")


def find_nodes(test_id: str) -> list[str]:
    [test] = [test for test in SUITE.tests if test.id == test_id]
    return [node.id for node in FLEET.nodes if match(test.requirements, node.capabilities).fits]


def test_it_has_every_kind_of_body() -> None:
    assert {test.body.kind for test in SUITE.tests} == set(KINDS)


def test_every_test_has_a_node() -> None:
    assert [test.id for test in SUITE.tests if not find_nodes(test.id)] == []


@pytest.mark.parametrize(
    ("test_id", "node"),
    [("checkout-chrome", "node1"), ("checkout-firefox", "node2"), ("checkout-safari", "node3")],
)
def test_a_browser_is_on_one_node(test_id: str, node: str) -> None:
    assert find_nodes(test_id) == [node]


@pytest.mark.processes
def test_its_pytest_items_end_as_they_say() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "quickstart_tests"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=SUITES, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "7 passed, 1 skipped, 1 xfailed" in done.stdout
