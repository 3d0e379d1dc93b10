"""The key `project` of a suite file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.errors import ConfigurationError
from pulseq.project import PrepareSpec, ProjectSpec
from pulseq.suites.suite_file import load_suite

_TESTS = "tests: [{id: a, command: 'true'}]"


def _load(tmp_path: Path, project: str) -> ProjectSpec:
    path = tmp_path / "suite.yaml"
    path.write_text(f"project: {project}\n{_TESTS}\n")
    return load_suite(path).project


def test_all_of_it_is_read(tmp_path: Path) -> None:
    project = _load(
        tmp_path,
        "{root: .., ship: [src/**], exclude: ['*.log'], pass_env: [CI, 'GITHUB_*'], secrets: [API_TOKEN],\n"
        "  prepare: {command: [uv, sync], inputs: [uv.lock], outputs: [.venv], timeout: 60}}",
    )
    assert project == ProjectSpec(
        root=str(tmp_path.parent),
        ship=("src/**",),
        exclude=("*.log",),
        prepare=PrepareSpec(("uv", "sync"), ("uv.lock",), (".venv",), 60.0),
        pass_env=("CI", "GITHUB_*"),
        secrets=("API_TOKEN",),
    )


def test_what_is_not_written_is_left_open(tmp_path: Path) -> None:
    assert _load(tmp_path, "{prepare: {command: make ready}}") == ProjectSpec(prepare=PrepareSpec(("make", "ready")))


@pytest.mark.parametrize(
    ("project", "told"),
    [
        ("{prepare: {inputs: [a]}}", "command"),
        ("{prepare: {command: []}}", "a program and its arguments"),
        ("{prepare: {command: 'a \"b'}}", "a command that can be split"),
        ("{pass_env: CI}", "a list of variables' names"),
        ("{secret: [A]}", "secrets"),
        ("{secrets: [A, 'B_*']}", r"secrets\[1\]: found 'B_\*', expected a name without wildcards"),
        ("{secrets: [PREFECT_API_KEY]}", "that begin with PREFECT_, DASK_, PULSEQ_ are not passed on"),
        ("{pass_env: [CI, PULSEQ_HOME]}", r"pass_env\[1\]: found 'PULSEQ_HOME', expected a variable that bodies may"),
        ("{pass_env: [MODE=fast]}", "expected the name of a variable, whose value is the caller's"),
        ("[a]", "project, as a mapping"),
    ],
)
def test_what_it_cannot_be_is_told(tmp_path: Path, project: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _load(tmp_path, project)
