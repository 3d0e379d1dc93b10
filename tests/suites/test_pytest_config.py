"""The file that pytest would take its configuration from, and what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pulseq.suites.found_project import FoundProject
from pulseq.suites.pytest_config import read_options

INI = "[pytest]\ntestpaths = a\n"
HERE = "testpaths = ['a']\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"pytest.toml": f"[pytest]\n{HERE}", "pytest.ini": INI}, ("pytest.toml", {"testpaths": ["a"]})),
        ({".pytest.toml": "["}, (".pytest.toml", {})),
        ({"pytest.ini": "", "tox.ini": INI}, ("pytest.ini", {})),
        ({".pytest.ini": "no section"}, (".pytest.ini", {})),
        ({"pyproject.toml": f"[tool.pytest.ini_options]\n{HERE}"}, ("pyproject.toml", {"testpaths": ["a"]})),
        ({"pyproject.toml": f"[tool.pytest]\n{HERE}"}, ("pyproject.toml", {"testpaths": ["a"]})),
        ({"pyproject.toml": "tool = 3", "tox.ini": INI}, ("tox.ini", {"testpaths": "a"})),
        ({"pyproject.toml": "[", "setup.cfg": "[tool:pytest]\nx = %y\n"}, ("setup.cfg", {"x": "%y"})),
        ({"tox.ini": "[tox]\n", "setup.cfg": "[pytest]\n", "pyproject.toml": "[tool.black]\n"}, (None, {})),
        ({}, (None, {})),
    ],
)
def test_the_first_file_that_has_a_configuration_counts(
    tmp_path: Path, files: Mapping[str, str], found: tuple[str | None, Mapping[str, object]]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert found == read_options(FoundProject(tmp_path))
