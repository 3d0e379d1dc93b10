"""Which nodes a run gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.fleet import SLOT_A_PROCESSOR
from pulseq.run.fleet_choice import choose_fleet, fleet_beside, read_count

NODES = "nodes:\n  - {id: laptop, max_concurrent_tests: 3}\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite file with a nodes file beside it."""
    for name in ("suites", "nodes"):
        (tmp_path / name).mkdir()
    (tmp_path / "nodes" / "shop.yaml").write_text(NODES)
    path = tmp_path / "suites" / "shop.yaml"
    path.write_text("suite: shop\ntests: []\n")
    return path


def test_the_nodes_file_beside_a_suite_is_used(suite: Path) -> None:
    fleet = choose_fleet([str(suite)], nodes_file=None, count=None, scheduler=None)

    assert [(node.id, node.max_concurrent_tests) for node in fleet.nodes] == [("laptop", 3)]


def test_a_nodes_file_in_the_folder_of_the_suite_is_nearer(suite: Path) -> None:
    suite.with_name("shop.nodes.yaml").write_text("nodes:\n  - {id: near}\n")

    fleet = choose_fleet([str(suite)], nodes_file=None, count=None, scheduler=None)

    assert ["near"] == [node.id for node in fleet.nodes]


def test_a_number_of_nodes_goes_before_the_file_beside_the_suite(suite: Path) -> None:
    fleet = choose_fleet([str(suite)], nodes_file=None, count="2", scheduler=None)

    assert [node.max_concurrent_tests for node in fleet.nodes] == [1, 1]


def test_a_nodes_file_that_is_named_is_used(suite: Path, tmp_path: Path) -> None:
    named = tmp_path / "named.yaml"
    named.write_text("nodes:\n  - {id: tower}\n")

    fleet = choose_fleet([str(suite)], nodes_file=named, count=None, scheduler=None)

    assert [node.id for node in fleet.nodes] == ["tower"]


@pytest.mark.parametrize("arguments", [[], ["shop.yaml", "other.yaml"], ["tests"], ["gone.yaml"]])
def test_nothing_is_beside_what_is_not_one_suite_file(arguments: list[str]) -> None:
    assert fleet_beside(arguments) is None


def test_two_answers_to_where_tests_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found -n and --scheduler, expected one of them"):
        choose_fleet([], nodes_file=None, count="2", scheduler="tcp://127.0.0.1:8786")


@pytest.mark.parametrize(("count", "number"), [("1", 1), ("512", 512)])
def test_a_number_of_nodes_is_that_many(count: str, number: int) -> None:
    assert read_count(count) == number


@pytest.mark.parametrize("count", ["auto", None])
def test_without_a_number_there_is_a_node_a_processor(count: str | None) -> None:
    assert read_count(count) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("count", ["0", "-1", "513", "many", "1.5", "²", ""])
def test_a_number_of_nodes_that_is_none_is_refused(count: str) -> None:
    with pytest.raises(UsageError, match="expected a number from 1 to 512, or 'auto'"):
        read_count(count)


def test_hosts_are_nodes_with_a_slot_a_processor() -> None:
    fleet = choose_fleet(
        [], nodes_file=None, count=None, scheduler=None, hosts=["lab1.example", "tester@lab2", "fe80::1%eth0"]
    )

    assert [(node.id, node.host, node.ssh.user, node.max_concurrent_tests) for node in fleet.nodes] == [
        ("lab1.example", "lab1.example", None, SLOT_A_PROCESSOR),
        ("lab2", "lab2", "tester", SLOT_A_PROCESSOR),
        ("fe80-1-eth0", "fe80::1%eth0", None, SLOT_A_PROCESSOR),
    ]


def test_this_machine_can_be_among_the_hosts() -> None:
    (node,) = choose_fleet([], nodes_file=None, count=None, scheduler=None, hosts=["localhost"]).nodes

    assert (node.is_local, node.max_concurrent_tests) == (True, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        (["-oX"], "--on: found '-oX', expected a host"),
        (["a", "u@a"], "--on: found 'a' twice"),
        ([""], "--on: found ''"),
    ],
)
def test_what_is_no_host_or_there_twice_is_refused(hosts: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        choose_fleet([], nodes_file=None, count=None, scheduler=None, hosts=hosts)


def test_hosts_and_a_nodes_file_are_two_answers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found --nodes and --on, expected one of them"):
        choose_fleet([], nodes_file=tmp_path / "n.yaml", count=None, scheduler=None, hosts=["a"])
