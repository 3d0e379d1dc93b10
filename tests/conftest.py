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

#: Marks of tests that take minutes: they run where `-m` names them.
BY_NAME_ALONE = ("parity", "slow")

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # After the files of directories, which mark their own, and before pytest goes by the marks.
    _leave_out_what_has_to_be_named(config, items)
    mark_tests_with_hosts(items)
    for item in items:
        if item.get_closest_marker("processes"):
            item.add_marker(pytest.mark.system)


def _leave_out_what_has_to_be_named(config: pytest.Config, items: list[pytest.Item]) -> None:
    for mark in BY_NAME_ALONE:
        if mark not in config.option.markexpr:
            left_out = [item for item in items if item.get_closest_marker(mark)]
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if not item.get_closest_marker(mark)]


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """What a test, or what it calls, sets in the environment is no other test's business."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)
