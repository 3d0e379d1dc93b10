"""Files to be loaded, and the problems that come of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pulseq.errors import ConfigurationError
from pulseq.models import TestCase
from pulseq.suites.suite_file import load_suite

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into a folder that is the working directory; gives its relative path."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str, name: str = "suite.yaml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return Path(name)

    return write_file


@pytest.fixture
def load_test(write: Write) -> Callable[[str], TestCase]:
    """Load a suite of one test `a` that has these keys, written in YAML's short form."""
    return lambda keys: load_suite(write(f"tests:\n  - {{id: a, {keys}}}\n")).tests[0]


@pytest.fixture
def refuse_test(write: Write) -> Callable[[str], list[str]]:
    """Load a suite of one test that has these keys, and give the problems without their place."""

    def refuse(keys: str) -> list[str]:
        with pytest.raises(ConfigurationError) as refusal:
            load_suite(write(f"tests:\n  - {{{keys}}}\n"))
        return [
            str(problem).removeprefix("suite.yaml:2: tests[0]").removeprefix(".") for problem in refusal.value.problems
        ]

    return refuse
