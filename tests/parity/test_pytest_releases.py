"""The oldest pytest that PulseQ takes, and the newest that there is, are as its runtime needs them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parity.__main__ import SUITES
from tests.parity.check import check_suite
from tests.parity.modes import ISOLATIONS
from tests.parity.store import Store, StoreError, default_cache
from tests.parity.suite import Suite
from tests.parity.table import render_table

ROOT = Path(__file__).parents[2]
#: As pip reads them; the first is the lower bound in `pyproject.toml`.
RELEASES = ("pytest==8.3.0", "pytest")
_CONTRACT = "tests/execution/runtime/test_pytest_contract.py"


def store() -> Store:
    return Store(Path(os.environ.get("PARITY_CACHE") or default_cache()))


@pytest.mark.parity
@pytest.mark.parametrize("release", RELEASES)
def test_its_contract_holds(release: str) -> None:
    try:
        python = store().python(Suite("release", (release,)))
    except StoreError as error:
        pytest.skip(f"its environment cannot be installed here: {error}")

    # By itself: neither the settings of our own tests nor what they need is there.
    alone = ("-c", os.devnull, f"--rootdir={ROOT}", "--noconftest", "--import-mode=importlib", "-p", "no:cacheprovider")
    told = subprocess.run(
        [python, "-m", "pytest", *alone, "-p", "no:xdist", _CONTRACT],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )

    if told.returncode != 0:
        pytest.fail(told.stdout + told.stderr, pytrace=False)


@pytest.mark.parity
@pytest.mark.parametrize("release", RELEASES)
def test_a_suite_comes_to_the_same_as_under_it(release: str) -> None:
    suite = SUITES["verdicts"]
    try:
        checked = check_suite(replace(suite, packages=(*suite.packages, release)), store(), ISOLATIONS)
    except StoreError as error:
        pytest.skip(f"its environment cannot be installed here: {error}")

    if checked.fails:
        pytest.fail(render_table([checked]), pytrace=False)


def test_the_oldest_is_the_lower_bound() -> None:
    lower = RELEASES[0].replace("==", ">=").removesuffix(".0")
    assert f'"{lower},' in (ROOT / "pyproject.toml").read_text()
