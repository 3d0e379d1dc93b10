"""What of the caller's environment goes to which node."""

from __future__ import annotations

import pytest

from pulseq.errors import UsageError
from pulseq.models import CommandBody, Suite, TestCase
from pulseq.project import ProjectSpec
from pulseq.protocol.to_node import BodyVariables
from pulseq.run.callers_variables import CallersVariables, read_variables

CALLER = {"HOME": "/home", "MODE": "brave", "GITHUB_SHA": "1f2e", "GITHUB_REF": "main", "API_TOKEN": "hunter2secret"}


def suite_of(*ids: str, **project: tuple[str, ...]) -> Suite:
    tests = tuple(TestCase(name, CommandBody(("true",)), location=f"s.yaml:{line}") for line, name in enumerate(ids, 1))
    return Suite("s", tests, project=ProjectSpec(**project))


def test_every_node_gets_what_the_suite_names() -> None:
    suite = suite_of(pass_env=("MODE", "GITHUB_*"), secrets=("API_TOKEN",))
    variables = read_variables(suite, CALLER)

    passed = {name: value for name, value in CALLER.items() if name != "HOME"}
    assert {way: BodyVariables(passed, ("hunter2secret",)) for way in ("local", "ssh", "joined")} == {
        way: variables.on_node(way) for way in ("local", "ssh", "joined")
    }


def test_nodes_of_this_machine_that_stand_get_all_in_which_the_run_differs() -> None:
    nodes = {"HOME": "/home", "MODE": "slow", "ONLY": "there", "GITHUB_SHA": "1f2e"}
    variables = read_variables(suite_of(pass_env=("GITHUB_SHA",)), CALLER, nodes=nodes)

    differing = {"MODE": "brave", "GITHUB_REF": "main", "API_TOKEN": "hunter2secret"}
    assert variables.on_node("local").variables == {"GITHUB_SHA": "1f2e", **differing}
    assert variables.on_node("ssh").variables == {"GITHUB_SHA": "1f2e"}


def test_shipped_to_a_node_of_this_machine_gets_what_one_elsewhere_gets() -> None:
    variables = read_variables(suite_of(pass_env=("MODE",)), CALLER, nodes={}, ship=True)

    assert variables.on_node("local") == BodyVariables({"MODE": "brave"}, like_a_login=True)
    assert variables.on_node("ssh") == BodyVariables({"MODE": "brave"})


@pytest.mark.parametrize("name", ["PULSEQ_HOME", "PREFECT_API_URL", "DASK_X", "TMPDIR", "_"])
def test_variables_that_are_ours_or_made_anew_are_not_carried(name: str) -> None:
    assert {} == read_variables(suite_of(), {name: "x"}, nodes={}).on_node("local").variables


@pytest.mark.parametrize("name", ["PULSEQ_HOME", "PREFECT_API_URL", "DASK_X", "TMPDIR"])
def test_no_pattern_passes_them_on(name: str) -> None:
    assert {} == read_variables(suite_of(pass_env=("*",)), {name: "x"}).on_node("ssh").variables


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "found no variable API_TOKEN in the environment"),
        ("", "found fewer than 4 characters in API_TOKEN"),
        ("  abc\n", "found fewer than 4 characters in API_TOKEN"),
    ],
)
def test_a_secret_that_is_none_is_refused(value: str | None, told: str) -> None:
    environment = {} if value is None else {"API_TOKEN": value}

    with pytest.raises(UsageError, match=told):
        read_variables(suite_of(secrets=("API_TOKEN",)), environment)


def test_all_secrets_that_are_not_there_are_told_at_once() -> None:
    with pytest.raises(UsageError, match="found no variable A, B in the environment"):
        read_variables(suite_of(secrets=("A", "HOME", "B")), CALLER)


def test_a_test_whose_id_holds_a_secret_is_refused_without_showing_it() -> None:
    suite = suite_of("plain", "log-in-hunter2secret", secrets=("API_TOKEN",))

    with pytest.raises(UsageError, match=r"^s\.yaml:2: found the value of the secret API_TOKEN in the id of a") as told:
        read_variables(suite, CALLER)
    assert "hunter2secret" not in str(told.value)


def test_no_text_of_it_shows_a_value() -> None:
    variables = read_variables(suite_of(pass_env=("*",), secrets=("API_TOKEN",)), CALLER, nodes={})

    assert "hunter2secret" not in f"{variables!r} {variables.on_node('ssh')!r}"


def test_without_secrets_nothing_is_blotted_out() -> None:
    assert CallersVariables().blotter() is None
