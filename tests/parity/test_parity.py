"""PulseQ does to these suites what pytest does, but for what is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.parity.__main__ import SUITES
from tests.parity.check import check_suite
from tests.parity.modes import ISOLATIONS
from tests.parity.store import Store, StoreError, default_cache
from tests.parity.table import render_table

#: Small ones, which together take some minutes on two cores; the others run by `python -m tests.parity`, and the one
#: that has each kind of verdict by `test_pytest_releases`.
CHOSEN = (
    "cov-met",
    "cov-missed",
    "rerunfailures",
    "json-report",
    "subtests",
    "syrupy-checked",
    "pluggy",
    "jinja2",
)


@pytest.mark.parity
@pytest.mark.parametrize("name", CHOSEN)
def test_a_suite_comes_to_the_same_as_under_pytest(name: str) -> None:
    store = Store(Path(os.environ.get("PARITY_CACHE") or default_cache()))
    try:
        checked = check_suite(SUITES[name], store, ISOLATIONS)
    except StoreError as error:
        pytest.skip(f"its environment cannot be installed here: {error}")

    if checked.fails:
        pytest.fail(render_table([checked]), pytrace=False)
