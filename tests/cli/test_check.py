"""What `pulseq check` looks at, and that it tells all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulseq.cli.check import check
from pulseq.errors import ConfigurationError, PulseqError, UsageError
from pulseq.projects.project_check import NOT_PREPARED

FLOW = "from prefect import flow\n\n@flow\ndef nightly(suite: str) -> None: ...\n"
PROJECT = "deployments:\n  - {name: one, entrypoint: 'flow.py:nightly'}\n"
TYPO = "deployments:\n  - {name: one, entrypoint: 'flow.py:nightly', paramters: {}}\n"
SUITE = "suite: shop\ntests:\n  - {id: pays, command: 'true'}\n"
UNFIT = "suite: shop\ntests:\n  - {id: pays, command: 'true', requirements: {browser: none}}\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a suite and a flow, and no Prefect API."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "ERROR")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "suite.yaml").write_text(SUITE)
    (tmp_path / "flow.py").write_text(FLOW)
    return tmp_path


def test_a_suite_is_checked_together_with_the_prefect_yaml_beside_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "prefect.yaml").write_text(PROJECT)

    assert 0 == check("suite.yaml")

    told = capsys.readouterr().err
    assert "every entry fits at least one node" in told
    assert "prefect.yaml: 1 deployments, as Prefect understands them" in told


def test_without_a_prefect_yaml_a_suite_is_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == check("suite.yaml")
    assert "prefect" not in capsys.readouterr().err


def test_what_is_wrong_with_prefect_yaml_is_told_when_a_suite_is_given(place: Path) -> None:
    (place / "prefect.yaml").write_text(TYPO)

    with pytest.raises(ConfigurationError, match=r"paramters: found an unknown key"):
        check("suite.yaml")


def test_all_that_is_wrong_is_told_at_once(place: Path) -> None:
    (place / "prefect.yaml").write_text(TYPO)
    (place / "suite.yaml").write_text(UNFIT)

    with pytest.raises(PulseqError) as caught:
        check("suite.yaml")

    assert 4 == caught.value.exit_code
    assert "paramters: found an unknown key" in str(caught.value)
    assert "test 'pays': no node fits" in str(caught.value)


def _lines_of(suite: str, place: Path) -> list[str]:
    (place / "suite.yaml").write_text(f"suite: shop\ntests:\n{suite}")
    with pytest.raises(PulseqError) as caught:
        check("suite.yaml")
    return str(caught.value).splitlines()


def test_of_many_problems_of_a_kind_the_first_are_told_and_their_number(place: Path) -> None:
    again = "".join("  - {id: pays, command: 'true'}\n" for _ in range(2000))

    lines = _lines_of(again + "  - {id: other, comand: 'true'}\n", place)

    assert "suite.yaml:4: tests[1].id: found 'pays' again" in lines[0]
    assert "suite.yaml: and 1979 more of this kind, the last one on line 2002" == lines[20]
    assert ["suite.yaml:2003: tests[2000].comand"] == [line.partition(": found")[0] for line in lines[21:]]


def test_of_many_tests_that_no_node_fits_the_first_are_told_and_their_number(place: Path) -> None:
    unfit = "".join(f"  - {{id: t{n}, command: 'true', requirements: {{browser: none}}}}\n" for n in range(100))

    lines = _lines_of(unfit, place)

    assert ["and 80 more tests that no node fits"] == lines[20:]


def test_another_project_is_checked_in_the_place_of_the_one_that_is_there(place: Path) -> None:
    (place / "prefect.yaml").write_text(TYPO)
    (place / "other.yaml").write_text(PROJECT)

    assert 0 == check(project=Path("other.yaml"))


def test_a_project_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"gone\.yaml"):
        check(project=Path("gone.yaml"))


def test_nothing_to_check_is_refused() -> None:
    with pytest.raises(PulseqError):
        check()


def test_without_a_name_the_suite_of_the_directory_is_checked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "pulseq.yaml").write_text(SUITE.replace("shop", "own"))

    assert 0 == check()
    assert "suite own: 1 entries" in capsys.readouterr().err


def test_problems_of_suite_and_nodes_file_are_told_together(place: Path) -> None:
    (place / "suite.yaml").write_text("tests: [{id: a, comand: x}]")
    (place / "nodes.yaml").write_text("nodes: [{id: a, prt: 5}]")

    with pytest.raises(PulseqError) as caught:
        check("suite.yaml", nodes=Path("nodes.yaml"))

    assert str(caught.value).splitlines() == [
        "suite.yaml:1: tests[0].comand: found an unknown key, expected a key of a test; did you mean 'command'?",
        "nodes.yaml:1: nodes[0].prt: found an unknown key, expected a key of a node; did you mean 'port'?",
    ]


def test_what_is_not_on_this_machine_is_told_beside_what_no_node_fits(place: Path) -> None:
    lines = _lines_of(
        "  - {id: a, command: 'none-such x'}\n"
        "  - {id: b, command: 'none-such x', requirements: {browser: none}}\n"
        "  - {id: c, command: 'true', cwd: gone}\n",
        place,
    )

    starts = ["suite.yaml:4: test 'b': no node fits", "suite.yaml:3: test 'a': command", "suite.yaml:5: test 'c': cwd"]
    assert starts == [line[: len(start)] for line, start in zip(lines, starts, strict=True)]


def test_of_a_node_that_nothing_can_reach_that_is_all_that_is_told(place: Path) -> None:
    (place / "nodes.yaml").write_text("nodes: [{id: a, host: '-v'}]\n")
    (place / "suite.yaml").write_text("tests: [{id: a, command: none-such}]")

    with pytest.raises(UsageError) as caught:
        check("suite.yaml", nodes=Path("nodes.yaml"))

    expected = "expected a host as ssh takes it: NAME, or USER@NAME"
    assert str(caught.value) == f"nodes.yaml: node 'a': host: found '-v', {expected}"


def test_of_many_that_are_not_there_the_first_are_told_and_their_number(place: Path) -> None:
    lines = _lines_of("".join(f"  - {{id: t{n}, command: none-such}}\n" for n in range(100)), place)

    assert ["and 80 more things of this kind"] == lines[20:]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("command: 'true', timeout: 5, duration: 10", True),
        ("command: 'true', timeout: 10, duration: 10", False),
        ("command: 'true', duration: 10", False),
        ("pytest: ., timeout: 5, duration: 10", False),
    ],
)
def test_a_timeout_below_the_duration_is_told(place: Path, keys: str, told: bool) -> None:
    (place / "suite.yaml").write_text(f"tests:\n  - {{id: a, {keys}}}\n")
    message = (
        "suite.yaml:2: test 'a': timeout: found 5 s, expected more than the duration of 10 s: "
        "each attempt would be ended before it is done"
    )

    if told:
        with pytest.raises(UsageError) as caught:
            check("suite.yaml")
        assert message == str(caught.value)
    else:
        assert 0 == check("suite.yaml")


PREPARED = """
suite: shop
project: {root: ., prepare: {command: make, inputs: [suite.yaml], outputs: [.venv, bin]}}
defaults: {python: .venv/bin/python}
tests:
  - {id: prices, call: "shop:prices"}
  - {id: tool, command: bin/tool}
"""


@pytest.mark.parametrize("options", [{"hosts": ("lab1.example",)}, {"ship": True}, {"count": "1", "ship": True}])
def test_what_prepare_makes_is_there_where_it_is_run(
    place: Path, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "suite.yaml").write_text(PREPARED)

    assert 0 == check("suite.yaml", **options)
    told = capsys.readouterr().err
    assert "note:" not in told
    assert ("nodes: 1 with a slot for each processor" in told) == ("hosts" in options)


def test_what_prepare_makes_is_noted_where_nobody_says_where_it_is_to_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "suite.yaml").write_text(PREPARED)

    assert 0 == check("suite.yaml")
    assert f"note: '.venv', 'bin' of `prepare` is not here: {NOT_PREPARED}" in capsys.readouterr().err


def test_nodes_of_this_machine_do_not_have_what_prepare_makes(place: Path) -> None:
    (place / "suite.yaml").write_text(PREPARED)
    (place / "nodes.yaml").write_text("nodes: [{id: a}, {id: b, host: lab1.example}]")

    with pytest.raises(UsageError) as caught:
        check("suite.yaml", nodes=Path("nodes.yaml"))

    lines = str(caught.value).splitlines()
    assert ["test 'prices': python: found no", "test 'tool': command: found no"] == [
        line.partition(": ")[2].partition(" interpreter ")[0].partition(" program ")[0] for line in lines
    ]
    assert all(line.endswith(f"; `prepare` makes it, but {NOT_PREPARED}") for line in lines)


def test_files_outside_that_a_command_may_read_are_noted_where_the_project_is_sent(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "suite.yaml").write_text("suite: shop\nproject: {root: .}\ntests: [{id: a, command: [cat, ../beside]}]\n")
    (place.parent / "beside").touch()

    def said(**options: Any) -> list[str]:
        assert 0 == check("suite.yaml", **options)
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]

    (note,) = said(hosts=("lab1.example",))
    assert note.startswith("note: test 'a': found '../beside' in its command, a file outside of its project")
    assert [] == said() == said(hosts=("lab1.example",), ship=False)


def test_tests_that_write_the_same_files_are_noted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "suite.yaml").write_text(
        "tests: [{id: a, command: pwd, junit: r.xml}, {id: b, command: pwd, junit: r.xml}]"
    )
    assert 0 == check("suite.yaml", count="2")
    assert "note: test 'b': its junit 'r.xml' is that of test 'a' too" in capsys.readouterr().err


def test_what_only_tests_of_local_nodes_need_is_not_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = "requirements: {bench: true}"
    (place / "suite.yaml").write_text(
        "suite: shop\nproject: {root: .}\ntests:\n"
        f"  - {{id: a, command: [pwd], cwd: .., {bench}}}\n  - {{id: b, command: [cat, ../beside], {bench}}}\n"
    )
    (place.parent / "beside").touch()
    (place / "n.yaml").write_text("nodes: [{id: a, capabilities: {bench: true}}, {id: b, host: lab1.example}]")

    assert 0 == check("suite.yaml", nodes=Path("n.yaml"))
    assert "note:" not in capsys.readouterr().err
    with pytest.raises(UsageError, match="which is outside of its project"):
        check("suite.yaml", nodes=Path("n.yaml"), ship=True)


def test_a_project_that_hosts_cannot_have_is_told_where_it_is_sent(place: Path) -> None:
    (place / "suite.yaml").write_text(
        PREPARED.replace("[suite.yaml]", "[gone.txt]").replace("bin/tool}", "x, cwd: ..}")
    )

    with pytest.raises(UsageError, match="which is outside of its project"):
        check("suite.yaml", hosts=("lab1.example",))
    (place / "suite.yaml").write_text(PREPARED.replace("[suite.yaml]", "[gone.txt]"))
    with pytest.raises(UsageError, match=r"prepare: inputs: found no file 'gone.txt'"):
        check("suite.yaml", hosts=("lab1.example",))
    assert 0 == check("suite.yaml", hosts=("lab1.example",), ship=False)
