"""Patterns of paths."""

from __future__ import annotations

import pytest

from pulseq.projects.path_globs import PathGlobs


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("src", "src", True),
        ("src", "src/a/b.py", True),
        ("src/", "src/a", True),
        ("./src", "src/a", True),
        ("src", "other/src", False),
        ("src", "src2/a", False),
        ("*.py", "a.py", True),
        ("*.py", "d/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "d/e/a.py", True),
        ("data/**", "data", False),
        ("data/**", "data/x/y", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("[ab].c", "b.c", True),
        ("[!ab].c", "b.c", False),
        ("a+b(c).py", "a+b(c).py", True),
        ("", "a", False),
    ],
)
def test_a_pattern_means_a_path_or_what_is_in_it(pattern: str, path: str, expected: bool) -> None:
    assert expected is PathGlobs([pattern] if pattern else []).match(path)


def test_what_can_match_is_below_their_plain_beginnings() -> None:
    assert ["data", "src/a.py"] == PathGlobs(["src/a.py", "data/**/*.bin", "data/x"]).tops
    assert ["."] == PathGlobs(["src", "*.toml"]).tops
    assert [] == PathGlobs([]).tops
