"""The command line of each mode."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.parity import modes
from tests.parity.modes import Mode, modes_of, write_command
from tests.parity.suite import Suite

_PYTHON = Path("/venv/bin/python")
_SUITE = Suite("shop", (), paths=("tests",), arguments=("-m", "not network"))


def test_pytest_and_xdist_run_with_the_recorder(tmp_path: Path) -> None:
    plain = write_command(Mode("pytest"), _SUITE, _PYTHON, tmp_path)
    spread = write_command(Mode("xdist"), _SUITE, _PYTHON, tmp_path)

    start = ["/venv/bin/python", "-m", "pytest", "-p", "parity_recorder"]
    assert [*start, "tests", "-m", "not network"] == plain
    assert [*start, "-n", "2", "tests", "-m", "not network"] == spread


def test_pulseq_is_given_the_same_paths_and_arguments(tmp_path: Path) -> None:
    command = write_command(Mode("pulseq fork", True, "fork"), _SUITE, _PYTHON, tmp_path)

    options = ["-n", "2", "--isolation", "fork", "--python", "/venv/bin/python", "--no-live"]
    assert ["run", "tests", *options, "--", "-m", "not network"] == command[1:]


def test_packages_are_run_by_their_names(tmp_path: Path) -> None:
    suite = Suite("shop", (), paths=("shop",), pyargs=True)

    assert ["--pyargs", "shop"] == write_command(Mode("pytest"), suite, _PYTHON, tmp_path)[-2:]
    assert ["run", "--pyargs", "shop"] == write_command(Mode("pulseq", True), suite, _PYTHON, tmp_path)[1:4]


def test_a_command_is_the_only_test_of_a_suite_file(tmp_path: Path) -> None:
    suite = Suite("shop", (), command=("{python}", "runtests.py"))

    alone = write_command(Mode("command"), suite, _PYTHON, tmp_path)
    ours = write_command(Mode("pulseq", True), suite, _PYTHON, tmp_path)

    assert ["/venv/bin/python", "runtests.py"] == alone
    assert [alone] == [test["command"] for test in json.loads(Path(ours[2]).read_text(encoding="utf-8"))["tests"]]


@pytest.mark.parametrize(
    ("is_there", "names"),
    [(True, ["pytest", "xdist", "pulseq fork", "pulseq interpreter"]), (False, ["pytest", "xdist", "pulseq"])],
)
def test_each_isolation_is_a_mode_where_pulseq_has_the_option(
    is_there: bool, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modes, "isolation_is_there", lambda: is_there)

    assert names == [mode.name for mode in modes_of(_SUITE, ("fork", "interpreter"))]
