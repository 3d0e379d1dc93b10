"""pytest's own root directory, found without pytest."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from _pytest.config.findpaths import determine_setup
from hypothesis import given
from hypothesis import strategies as st

from pulseq.suites.rootdir import find_rootdir

_TEXTS = {
    "pytest.ini": "",
    "pyproject.toml": "[tool.black]\n",
    "a/pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n",
    "tox.ini": "[tox]\n",
    "a/tox.ini": "[pytest]\n",
    "a/b/setup.cfg": "[tool:pytest]\n",
    "setup.py": "",
    "a/setup.py": "",
}
_TARGETS = ("a", "a/b", "a/b/test_x.py", "a/b/test_x.py::test_y", "c", "nowhere")


def _pytest_says(targets: Sequence[str], cwd: Path) -> Path:
    args = {"inifile": None, "args": targets, "rootdir_cmd_arg": None, "invocation_dir": cwd, "override_ini": None}
    return determine_setup(**args)[0]  # type: ignore[arg-type]


def _lay_out(cwd: Path, files: Mapping[str, str]) -> None:
    for directory in ("a/b", "c"):
        (cwd / directory).mkdir(parents=True)
    for name, text in {"a/b/test_x.py": "", **files}.items():
        (cwd / name).write_text(text)


@given(st.sets(st.sampled_from(sorted(_TEXTS))), st.lists(st.sampled_from(_TARGETS), max_size=2), st.booleans())
def test_it_is_the_one_of_pytest(tmp_path_factory, names: set[str], targets: list[str], below: bool) -> None:  # type: ignore[no-untyped-def]
    cwd = tmp_path_factory.mktemp("project")
    _lay_out(cwd, {name: _TEXTS[name] for name in names})
    with contextlib.chdir(cwd / "a" if below else cwd):
        assert _pytest_says(targets, Path.cwd()) == find_rootdir(targets, [], Path.cwd())


@pytest.mark.parametrize("arguments", [["--rootdir=c"], ["--rootdir", "c"], ["-c", "c/any.ini"], ["-q", "-c", "c/x"]])
def test_it_is_the_one_that_pytest_was_told(tmp_path: Path, arguments: list[str]) -> None:
    assert tmp_path / "c" == find_rootdir(["a"], arguments, tmp_path)


def test_a_configuration_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    _lay_out(tmp_path, {"a/pyproject.toml": "[", "a/tox.ini": "\x00[", "pytest.ini": ""})

    assert tmp_path == find_rootdir(["a"], [], tmp_path)
