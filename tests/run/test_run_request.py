"""A run as it is asked for, and what is made of it before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pulseq.cluster.standing_cluster import Condition, PartState, StandingCluster
from pulseq.errors import NothingToRunError, UsageError
from pulseq.fleet import Fleet, NodeSpec, Strategy
from pulseq.processes.process_id import ProcessId
from pulseq.run import run_request
from pulseq.run.run_request import PreparedRun, RunRequest, prepare_run
from pulseq.security.authority import make_credentials
from pulseq.security.credentials import keep_credentials

SUITE = """
suite: shop
tests:
  - {id: cart, command: [true], timeout: 5, max_retries: 3}
  - {id: price, command: [true]}
  - {id: login, command: [true]}
"""
NODES = "nodes: [{id: one}, {id: two}]\nframework: {load_balancing_strategy: round_robin}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    (tmp_path / "shop.yaml").write_text(SUITE)
    (tmp_path / "nodes.yaml").write_text(NODES)
    return tmp_path


def prepare(**asked: Any) -> PreparedRun:
    return prepare_run(RunRequest(**{"suites": ("shop.yaml",), "nodes_count": "2", **asked}))


def test_a_suite_runs_on_as_many_nodes_as_are_wanted(here: Path) -> None:
    prepared = prepare(run_id="r1", database=Path("mine.duckdb"))

    assert ["cart", "price", "login"] == [test.id for test in prepared.suite.tests]
    assert 2 == len(prepared.fleet.nodes)
    assert ("r1", here / "home", here / "mine.duckdb") == (
        prepared.options.run_id,
        prepared.options.home,
        prepared.options.database,
    )


def test_limits_are_for_tests_that_say_nothing_themselves() -> None:
    tests = prepare(timeout_seconds=9.0, reruns=1).suite.tests

    assert [(5.0, 3), (9.0, 1), (9.0, 1)] == [(test.timeout_seconds, test.max_retries) for test in tests]


def test_a_word_narrows_what_runs() -> None:
    assert ["cart", "price"] == [test.id for test in prepare(keyword="cart or price").suite.tests]


def test_a_word_that_no_test_has_leaves_nothing_to_run() -> None:
    with pytest.raises(NothingToRunError):
        prepare(keyword="nothing")


@pytest.mark.parametrize(
    ("asked", "strategy"), [(None, Strategy.ROUND_ROBIN), (Strategy.LONGEST_FIRST, Strategy.LONGEST_FIRST)]
)
def test_a_strategy_that_is_asked_for_goes_before_that_of_the_file(asked: Strategy | None, strategy: Strategy) -> None:
    prepared = prepare(nodes_count=None, nodes_file=Path("nodes.yaml"), strategy=asked)

    assert ["one", "two"] == [node.id for node in prepared.fleet.nodes]
    assert strategy == prepared.fleet.framework.strategy


def test_problems_of_suite_and_nodes_are_told_together(here: Path) -> None:
    (here / "shop.yaml").write_text("suite: shop\ntests: [{id: cart, comand: x}]\n")
    (here / "nodes.yaml").write_text("nodes: [{name: one}]\n")

    with pytest.raises(UsageError) as refusal:
        prepare(nodes_count=None, nodes_file=Path("nodes.yaml"))

    assert "comand" in str(refusal.value)
    assert "nodes.yaml" in str(refusal.value)


def test_an_interpreter_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="--python: "):
        prepare(python="/no/python")
    with pytest.raises(UsageError, match="--python: found ''"):
        prepare(python="")


@pytest.mark.parametrize(("asked", "said"), [({"last_failed": True}, True), ({}, False)])
def test_without_a_run_before_there_is_nothing_that_failed_last(asked: dict[str, bool], said: bool) -> None:
    options = prepare(**asked).options

    assert (None, said) == (options.only, bool(options.notes))


def test_a_scheduler_that_asks_for_credentials_gets_those_of_the_file(here: Path) -> None:
    ours = make_credentials("ours")
    keep_credentials(here / "me.pem", ours)

    prepared = prepare(nodes_count=None, scheduler="tls://lab:8786", credentials=here / "me.pem")

    assert ("tls://lab:8786", ours) == (prepared.options.scheduler, prepared.options.credentials)


def test_credentials_without_the_scheduler_that_asks_for_them_are_refused(here: Path) -> None:
    with pytest.raises(UsageError, match="found --credentials alone, expected --scheduler tls://HOST:PORT with it"):
        prepare(credentials=here / "me.pem")


def test_each_run_has_an_id_of_its_own() -> None:
    assert prepare().options.run_id != prepare().options.run_id


PREPARED = "project: {root: ., prepare: {command: make, inputs: [IN], outputs: [env]}}"


@pytest.mark.parametrize(
    ("keys", "told"), [(PREPARED, "inputs: found no file 'IN'"), ("defaults: {cwd: ..}", "outside of its project")]
)
def test_a_project_that_hosts_cannot_have_is_refused_where_it_is_to_be_sent(here: Path, keys: str, told: str) -> None:
    (here / "shop.yaml").write_text(f"{SUITE}{keys}\n")
    for asked in ({"nodes_count": None, "hosts": ("lab1.example",)}, {"ship": True}):
        with pytest.raises(UsageError, match=told):
            prepare(**asked)
    prepare()
    prepare(nodes_count=None, hosts=("lab1.example",), ship=False)


OUTSIDE = """
suite: shop
project: {root: .}
tests: [{id: one, command: [pwd], cwd: ..}]
"""
MIXED = "nodes: [{id: one, capabilities: {bench: true}}, {id: two, host: lab1.example}]\n"


def test_what_only_tests_of_local_nodes_need_is_not_refused(here: Path) -> None:
    (here / "shop.yaml").write_text(OUTSIDE.replace("cwd: ..", "cwd: .., requirements: {bench: true}"))
    (here / "nodes.yaml").write_text(MIXED)
    mixed = {"nodes_count": None, "nodes_file": Path("nodes.yaml")}

    assert () == prepare(**mixed).options.notes
    with pytest.raises(UsageError, match="outside of its project"):
        prepare(**mixed, ship=True)


def test_what_only_a_host_that_may_be_missing_cannot_have_is_noted(here: Path) -> None:
    (here / "shop.yaml").write_text(OUTSIDE)
    (here / "nodes.yaml").write_text(MIXED)
    mixed: dict[str, Any] = {"nodes_count": None, "nodes_file": Path("nodes.yaml")}

    (note,) = prepare(**mixed, without_missing=True).options.notes
    assert note.startswith("a host that is there would have this run refused: test 'one': found cwd ")
    for asked in (mixed, {"nodes_count": None, "hosts": ("lab1.example",), "without_missing": True}):
        with pytest.raises(UsageError, match="outside of its project"):
            prepare(**asked)


@pytest.mark.parametrize(
    ("host", "condition"),
    [(NodeSpec("lab", "lab1.example"), Condition.RESTARTING), (NodeSpec("lab", joins=True), Condition.RUNNING)],
)
def test_a_host_of_what_is_up_may_be_missing_unless_it_is_known_to_be_there(
    here: Path, monkeypatch: pytest.MonkeyPatch, host: NodeSpec, condition: Condition
) -> None:
    (here / "shop.yaml").write_text(OUTSIDE)

    def stand(node: NodeSpec, its: Condition) -> None:
        fleet, parts = Fleet((NodeSpec("one"), node)), (PartState("lab", its),)
        up = StandingCluster(ProcessId(1, 0), Condition.RUNNING, "", None, "tcp://h:1", fleet, 0.0, parts)
        monkeypatch.setattr(run_request, "join_standing", lambda options, **_: (replace(options, standing=True), up))

    stand(host, condition)
    assert ["a host that is there would have this run refused"] == [
        note.partition(": ")[0] for note in prepare(nodes_count=None).options.notes
    ]
    stand(NodeSpec("lab", "lab1.example"), Condition.RUNNING)
    with pytest.raises(UsageError, match="outside of its project"):
        prepare(nodes_count=None)


def test_tests_that_write_the_same_files_are_noted_where_they_may_run_at_once(here: Path) -> None:
    (here / "shop.yaml").write_text(
        "tests:\n" + "".join(f"  - {{id: {one}, command: x, junit: r.xml}}\n" for one in "ab")
    )
    (note,) = prepare(nodes_count="2").options.notes
    assert note.startswith("test 'b': its junit 'r.xml' is that of test 'a' too")
    assert () == prepare(nodes_count="1").options.notes


def test_what_is_not_made_for_nodes_of_this_machine_is_noted(here: Path) -> None:
    (here / "shop.yaml").write_text(f"{SUITE}{PREPARED.replace('IN', 'shop.yaml')}\n")
    (here / "nodes.yaml").write_text("nodes: [{id: one}, {id: two, host: lab1.example}]\n")
    mixed = {"nodes_count": None, "nodes_file": Path("nodes.yaml")}

    (note,) = prepare(**mixed).options.notes
    assert note.startswith("'env' of `prepare` is not here: nodes of this machine take the project where it is")
    assert () == prepare(**mixed, ship=True).options.notes
    assert () == prepare(nodes_count=None, hosts=("lab1.example",)).options.notes
    (here / "env").mkdir()
    assert () == prepare(**mixed).options.notes
