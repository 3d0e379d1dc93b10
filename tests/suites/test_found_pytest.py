"""pytest's tests are found by its configuration, or by names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulseq.suites.found_project import FoundProject
from pulseq.suites.found_pytest import find_pytest
from pulseq.suites.starter import FoundTests


def make(root: Path, files: dict[str, str]) -> FoundProject:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return FoundProject(root)


def find(root: Path, files: dict[str, str]) -> tuple[FoundTests, dict[str, Any]]:
    [entry] = find_pytest(make(root, files))
    return entry, {line.key: line.value for line in entry.lines}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = checks\n"),
        (".pytest.ini", "[pytest]\ntestpaths = checks\n"),
        ("pytest.toml", "[pytest]\ntestpaths = ['checks']\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = 'checks'\n"),
        ("pyproject.toml", "[tool.pytest]\ntestpaths = ['checks']\n"),
        ("tox.ini", "[tox]\n[pytest]\ntestpaths = checks gone\n"),
        ("setup.cfg", "[tool:pytest]\ntestpaths =\n    checks\n"),
    ],
)
def test_the_paths_of_the_configuration_are_taken(tmp_path: Path, file: str, text: str) -> None:
    entry, keys = find(tmp_path, {file: text, "checks/test_a.py": "", "other/test_b.py": ""})

    assert keys == {"pytest": "checks"}
    assert entry.why.startswith(f"{file} configures pytest")
    assert [line.why for line in entry.lines] == [f"`testpaths` of {file}"]


@pytest.mark.parametrize(
    "text",
    [
        "[pytest",
        "[tool.pytest]\ntestpaths = 3\n",
        "[tool]\npytest = 3\n",
        "tool = 3\n",
        "[tool.pytest]\ntestpaths = ['/x', '']\n",
    ],
)
def test_a_configuration_that_makes_no_sense_is_pytests_to_tell(tmp_path: Path, text: str) -> None:
    _, keys = find(tmp_path, {"pyproject.toml": text, "pytest.ini": text, "test_a.py": ""})

    assert keys == {"pytest": "."}


def test_a_file_that_says_nothing_of_pytest_is_none_of_its_own(tmp_path: Path) -> None:
    texts = {"pyproject.toml": "[project]\nname = 'x'\n", "tox.ini": "[tox]\n", "setup.cfg": "[metadata]\n"}

    assert [] == list(find_pytest(make(tmp_path, texts)))


@pytest.mark.parametrize(
    ("file", "target"),
    [("tests/test_a.py", "tests"), ("test/unit/a_test.py", "test"), ("test_a.py", "."), ("src/x/test_a.py", ".")],
)
def test_without_configuration_names_of_files_tell(tmp_path: Path, file: str, target: str) -> None:
    entry, keys = find(tmp_path, {file: ""})

    assert (keys, entry.why.split()[0], entry.missing) == ({"pytest": target}, file, "")


def test_a_configuration_without_tests_is_told_and_not_run(tmp_path: Path) -> None:
    entry, _ = find(tmp_path, {"pytest.ini": "[pytest]\n", "src/app.py": ""})

    assert entry.missing == "no file is named test_*.py or *_test.py."


def test_files_are_named_as_the_configuration_has_them(tmp_path: Path) -> None:
    entry, _ = find(tmp_path, {"pytest.ini": "[pytest]\npython_files = check_*.py\n", "check_app.py": ""})

    assert entry.missing == ""


@pytest.mark.parametrize(("name", "python"), [(".venv", ".venv/bin/python"), ("venv", "venv/bin/python")])
def test_the_projects_own_environment_is_taken_where_it_has_pytest(tmp_path: Path, name: str, python: str) -> None:
    installed = f"{name}/lib/python3.12/site-packages/pytest/__init__.py"
    _, keys = find(tmp_path, {"test_a.py": "", f"{name}/bin/python": "", installed: ""})

    assert keys["python"] == python


def test_an_environment_without_pytest_is_none_for_tests(tmp_path: Path) -> None:
    _, keys = find(tmp_path, {"test_a.py": "", ".venv/bin/python": ""})

    assert "python" not in keys


def test_the_environment_that_we_run_in_need_not_be_named(tmp_path: Path) -> None:
    files = {"test_a.py": "", ".venv/bin/python": "", ".venv/lib/python3.12/site-packages/pytest/__init__.py": ""}
    make(tmp_path, files)

    [entry] = find_pytest(FoundProject(tmp_path, own_prefix=tmp_path / ".venv"))

    assert ["pytest"] == [line.key for line in entry.lines]
