"""The fixture `hosts`, for all tests; `tests/conftest.py` has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.hosts.lab import Lab


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Lab]:
    """A network of this test: `hosts(2)` are two hosts on it. The test is skipped where there can be none."""
    # Not before a test asks: every collection would pay for it.
    from tests.hosts.lab import open_lab
    from tests.hosts.needs import skip_without_hosts

    skip_without_hosts()
    with open_lab(tmp_path / "lab") as lab:
        yield lab


def mark_tests_with_hosts(items: list[pytest.Item]) -> None:
    """`hosts`, and `system` as for all that uses real parts, for the tests that use them."""
    for item in items:
        if "hosts" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.hosts)
            item.add_marker(pytest.mark.system)
