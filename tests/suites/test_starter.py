"""The files for a start: what is written is what is read, whatever the words in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulseq.models import CommandBody
from pulseq.suites.nodes_file import load_fleet
from pulseq.suites.starter import EXAMPLE_NODES, EXAMPLES, FoundTests, Line, render_nodes, render_suite
from pulseq.suites.suite_file import load_suite

WORD = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30) | st.sampled_from(
    [
        "yes",
        "null",
        "0x10",
        "1e3",
        "-",
        "--",
        "- a",
        "a: b",
        "#",
        "a #b",
        "!x",
        "&x",
        "*",
        "'",
        '"',
        "\\",
        "~",
        "2026-01-01",
    ]
)
SAME_PLACE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@SAME_PLACE
@given(words=st.lists(WORD, min_size=1, max_size=4), why=st.text(max_size=200), name=WORD)
def test_a_suite_is_read_as_it_was_meant(words: list[str], why: str, name: str, tmp_path: Path) -> None:
    words = ["tool", *(word.encode("utf-8", "replace").decode() for word in words)]
    entry = FoundTests("one", why, (Line("command", words, why),), hint=why)
    gone = FoundTests("two", why, (Line("command", words, why),), missing=f"x{why}")
    file = tmp_path / "suite.yaml"
    file.write_text(render_suite("s" + name, [gone, entry]), encoding="utf-8")

    suite = load_suite(file)

    assert [(test.id, test.body) for test in suite.tests] == [("one", CommandBody(tuple(words)))]
    assert suite.name == "s" + name.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("width", [100])
def test_each_line_of_a_file_fits_a_page(width: int) -> None:
    text = render_suite("shop", [], EXAMPLES) + EXAMPLE_NODES + render_nodes(10)

    assert [] == [line for line in text.splitlines() if len(line) > width]


def test_the_examples_load_and_each_says_why_it_is_there(tmp_path: Path) -> None:
    suite, nodes = tmp_path / "suite.yaml", tmp_path / "nodes.yaml"
    suite.write_text(render_suite("shop", [], EXAMPLES))
    nodes.write_text(EXAMPLE_NODES)

    assert [test.id for test in load_suite(suite).tests] == ["sums", "basket", "steps", "checkout"]
    assert [node.max_concurrent_tests for node in load_fleet(nodes).nodes] == [2, 1]
    for line, before in zip(suite.read_text().splitlines()[1:], suite.read_text().splitlines(), strict=False):
        assert not line.startswith("  - id") or before.startswith("  # ")


def test_this_machine_is_written_with_its_slots(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(render_nodes(7))

    assert [(node.id, node.max_concurrent_tests) for node in load_fleet(file).nodes] == [("node1", 7)]
