"""What all tests share."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.hosts.fixture import hosts, mark_tests_with_hosts

__all__ = ["hosts"]

# A shared machine may be slow at any moment; a deadline would be an assertion on seconds. Each run looks at other
# examples, so that many runs of few find what a single one of many does.
settings.register_profile("shared_machine", deadline=None, max_examples=20)
settings.load_profile("shared_machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays until the end: looking through it for garbage costs a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        atexit.register(gc.unfreeze)  # what extension modules own has to be found at the end
        atexit.register(gc.disable)  # by one look, not by two


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_tests_with_hosts(items)
    for item in items:
        if item.get_closest_marker("processes"):
            item.add_marker(pytest.mark.system)


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """What a test, or what it calls, sets in the environment is no other test's business."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)
