"""TOML with the lines of its keys."""

from __future__ import annotations

import pytest

from pulseq.errors import ConfigurationError
from pulseq.suites.toml_file import parse_toml

TEXT = '''suite = "x"   # line 1
defaults.timeout = 3

[defaults.requirements]
"os" = "linux"

[[tests]]
id = "a"
command = """
id = "not a key"
[tests]
"""
[tests.requirements]
memory = "8GB"

[[tests]]
id = "b"
args = [
  1,
]
[[tests.more]]
x = 1
[[tests.more]]
x = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("suite",), 1),
        (("defaults", "timeout"), 2),
        (("defaults", "requirements", "os"), 5),
        (("tests", 0), 7),
        (("tests", 0, "id"), 8),
        (("tests", 0, "command"), 9),
        (("tests", 0, "requirements", "memory"), 14),
        (("tests", 1), 16),
        (("tests", 1, "args", 0), 18),
        (("tests", 1, "more", 1, "x"), 24),
        (("tests", 1, "missing"), 16),
        (("missing",), 1),
    ],
)
def test_a_path_has_the_line_of_its_key_or_of_what_is_above(path: tuple[str | int, ...], line: int) -> None:
    assert parse_toml(TEXT, "x.toml").find_line(path) == line


def test_the_value_is_what_the_standard_parser_reads() -> None:
    value = parse_toml(TEXT, "x.toml").value
    assert [test["id"] for test in value["tests"]] == ["a", "b"]
    assert value["tests"][1]["more"] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(("written", "value"), [("1_0.5", 10.5), ("inf", float("inf")), ("1e3", 1000.0)])
def test_decimals_are_read(written: str, value: float) -> None:
    assert parse_toml(f"a = {written}", "x.toml").value["a"] == value


@pytest.mark.parametrize(("text", "line"), [("a = 1\na = 2\n", 2), ("a = 1\nb c = 2\nd = 3", 2)])
def test_what_is_no_toml_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_toml(text, "x.toml")
    assert str(refusal.value).startswith(f"x.toml:{line}: (file): found text that is no TOML (")
    assert str(refusal.value).endswith("), expected TOML")


def test_a_value_without_quotes_is_told_what_values_look_like() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_toml("a = 1\nb = text\n", "x.toml")
    expected = "text in quotes, a number, true, false, [a list] or {a = 'table'}"
    assert str(refusal.value) == f"x.toml:2: (file): found text that is no TOML (Invalid value), expected {expected}"


def test_a_number_too_long_for_python_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="found text that is no TOML"):
        parse_toml(f"a = {'9' * 5000}", "x.toml")


def test_lists_too_deep_for_the_parser_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="found text that is no TOML"):
        parse_toml(f"a = {'[' * 100_000}", "x.toml")
