"""What a text that is no YAML is told, with either of the two parsers that PyYAML may have."""

from __future__ import annotations

import pytest
import yaml

from pulseq.errors import ConfigurationError
from pulseq.suites import yaml_file
from pulseq.suites.yaml_file import parse_yaml

QUOTES = "quotes around the whole value"
OR_KEYS = f"{QUOTES}, or keys indented as those above"
OR_BELOW = f"{QUOTES}, or the text on the lines below"
SAME = "the same indentation in all of a block"


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(
    ("text", "line", "why", "expected"),
    [
        ("a:\n\t- b\n", 2, "a tab in the indentation", "spaces"),
        ("a:\n  - b: x\n\tc: 1\n", 3, "a tab in the indentation", "spaces"),
        ("a: @x\n", 1, "a bare @", QUOTES),
        ("a: `x`\n", 1, "a bare `", QUOTES),
        ("a: %x\n", 1, "a bare %", QUOTES),
        ("a: *.py\n", 1, "a bare *", QUOTES),
        ("a: [b, *.py]\n", 1, "a bare *", QUOTES),
        ("a: && b\n", 1, "a bare &", QUOTES),
        ("a: 'x' && y\n", 1, "a bare &", QUOTES),
        ("a: ]\n", 1, "a bare ]", QUOTES),
        ("a: > out.txt\n", 1, "text behind a bare >", OR_BELOW),
        ("a: | b\n", 1, "text behind a bare |", OR_BELOW),
        ("a:\n  b: c d: e\n", 2, "': ' where no key can be", OR_KEYS),
        ("a:\n  - b: c\n     d: e\n", 3, "': ' where no key can be", OR_KEYS),
        ("a: - b\n", 1, "'- ' behind a key", "the list on the lines below"),
        ('a: "\\d+"\n', 1, "a backslash in double quotes that means nothing", "single quotes, or two of it"),
        ("a: 1\nb: 'x\nc: y\n", 2, "a quote that is not closed", "a closing quote"),
        ("a: 1\nb\nc: 1\n", 2, "a line without ': '", "a key and a value"),
        ("a: 1\nb: {c: 1\nd: 2\n", 3, "the { of line 2 goes on with something else", "',' or '}'"),
        ("a: [1\n", 2, "the [ of line 1 goes on with something else", "',' or ']'"),
        ("a: [\n", 2, "a { or [ before it goes on without a value", "a value, or its end"),
        ("a: 'x' y\n", 1, "text behind a closing quote", QUOTES),
        ("a:\n  - b: 1\n   c: 2\n", 3, "a line that is no part of the block from line 2", SAME),
        ("a:\n    - b\n  - c\n", 3, "a line that is no part of the block from line 1", SAME),
        ("- a\nb: 1\n", 2, "a line that is no part of the block from line 1", SAME),
    ],
)
def test_what_is_no_yaml_is_told_what_to_change(
    text: str, line: int, why: str, expected: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_file, "_LOADER", getattr(yaml, loader))
    with pytest.raises(ConfigurationError) as refusal:
        parse_yaml(text, "x.yaml")
    assert str(refusal.value) == f"x.yaml:{line}: (file): found text that is no YAML ({why}), expected {expected}"


@pytest.mark.parametrize(("text", "line"), [("a: 1\nb: \x01", 2), ("%x\na: 1\n", 1)])
def test_for_what_has_no_words_of_ours_the_parser_s_are_kept(text: str, line: int) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_yaml(text, "x.yaml")
    assert str(refusal.value).startswith(f"x.yaml:{line}: (file): found text that is no YAML (")
    assert str(refusal.value).endswith("), expected YAML")
