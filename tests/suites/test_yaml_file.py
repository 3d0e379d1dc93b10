"""YAML as PulseQ reads it: sane scalars, lines, and no way to hurt with it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import ConfigurationError
from pulseq.suites import yaml_file
from pulseq.suites.documents import WrittenFloat
from pulseq.suites.yaml_file import parse_yaml


def refuse(text: str) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        parse_yaml(text, "x.yaml")
    return str(refusal.value)


def find_flaws(text: str) -> str:
    document = parse_yaml(text, "x.yaml")
    return str(document.refuse(document.flaws))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("3.12.1", "3.12.1"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("-5", -5),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        ("1.0e3", 1000.0),
        ("-.inf", float("-inf")),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!int 5", 5),
        ("9" * 400, "9" * 400),
    ],
)
def test_a_plain_scalar_is_what_it_looks_like(written: str, value: object) -> None:
    found = parse_yaml(f"key: {written}\n", "x.yaml").value["key"]
    assert (found, isinstance(found, bool)) == (value, isinstance(value, bool))


def test_a_decimal_remembers_how_it_was_written() -> None:
    found = parse_yaml("python: 3.10", "x.yaml").value["python"]
    assert isinstance(found, WrittenFloat)
    assert found.text == "3.10"


def test_anchors_aliases_and_merge_keys_work() -> None:
    text = """
    base: &base {a: 1, b: 2}
    other: &other {b: 3, c: 3}
    one: {<<: *base, a: 9}
    two: {<<: [*base, *other]}
    three: *base
    """
    value = parse_yaml(text, "x.yaml").value
    assert value["one"] == {"a": 9, "b": 2}
    assert value["two"] == {"a": 1, "b": 2, "c": 3}
    assert value["three"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("b",), 2),
        (("b", 0), 3),
        (("b", 1, "c"), 4),
        (("b", 1, "d", "e"), 6),
        (("b", 1, "d", "missing"), 5),
        (("b", 7), 2),
        (("missing",), 1),
    ],
)
def test_a_path_has_the_line_of_its_key_or_of_what_is_above(path: tuple[str | int, ...], line: int) -> None:
    text = "a: 1\nb:\n  - x\n  - c: 1\n    d:\n      e: 2\n"
    assert parse_yaml(text, "x.yaml").find_line(path) == line


@pytest.mark.parametrize(("path", "line"), [(("b", 0), 3), (("b", 0, "c"), 1), (("d", "c"), 1), (("d", "e"), 5)])
def test_an_alias_stands_where_it_is_and_what_it_holds_where_that_was_written(
    path: tuple[str | int, ...], line: int
) -> None:
    text = "a: &x {c: 1}\nb:\n  - *x\nd: {<<: *x,\n  e: 2}\n"
    assert parse_yaml(text, "x.yaml").find_line(path) == line


def test_all_keys_that_stand_twice_are_told() -> None:
    assert find_flaws("a: 1\nb:\n  - {c: 1}\n  - c: 1\n    c: 2\na: 3\n").splitlines() == [
        "x.yaml:5: b[1].c: found the key 'c' again, expected each key once; the first is at line 4",
        "x.yaml:6: a: found the key 'a' again, expected each key once; the first is at line 1",
    ]


@pytest.mark.parametrize(
    ("text", "line", "found", "expected"),
    [
        ("a: 1\n---\nb: 2", 2, "a second document after ---", "one document in a file"),
        ("a: *x", 1, "the alias *x", "an anchor &x before it"),
        ("a: &x [*x]", 1, "the alias *x inside its own anchor", "a value that ends"),
        ("[a, b]: 1", 1, "a list, a mapping or an alias as a key", "text as a key"),
        ("<<: 5", 1, "something else than a mapping after <<", "a mapping or a list of mappings"),
        ("a: !!set {}", 1, "the tag 'tag:yaml.org,2002:set'", "plain values without tags"),
        ("a: !include x", 1, "the tag '!include'", "plain values without tags"),
        ("a: !thing []", 1, "the tag '!thing'", "plain values without tags"),
        ("[" * 100_000, 1, "values nested more than 64 deep", "at most that"),
    ],
)
def test_yaml_that_is_more_than_plain_data_is_refused(text: str, line: int, found: str, expected: str) -> None:
    assert refuse(text) == f"x.yaml:{line}: (file): found {found}, expected {expected}"


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_an_alias_bomb_is_refused(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_file, "_LOADER", getattr(yaml, loader))
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    expected = "x.yaml:6: (file): found aliases that stand for more than 1,000,000 values, expected at most that many"
    assert refuse("\n".join(lines)) == expected


def test_a_bomb_of_merge_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_file, "_MOST_FROM_ALIASES", 500)
    base = "base: &base {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}\n"
    expected = "x.yaml:4: (file): found aliases that stand for more than 500 values, expected at most that many"
    assert refuse(base + "".join(f"m{n}: {{<<: *base}}\n" for n in range(10))) == expected


def test_a_chain_of_aliases_cannot_get_deep() -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))
    assert "found values nested more than 64 deep" in refuse(chain)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_what_yaml_writes_is_read_back(value: Any) -> None:
    text = yaml.safe_dump({"key": value}, allow_unicode=True)
    assert parse_yaml(text, "x.yaml").value == {"key": value}


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t<"), max_size=60))
def test_any_text_is_a_document_or_a_refusal(text: str) -> None:
    try:
        source = parse_yaml(text, "x.yaml").source
    except ConfigurationError as error:
        source = error.problems[0].file
    assert source == "x.yaml"
