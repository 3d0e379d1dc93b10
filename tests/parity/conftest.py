"""The comparisons install packages and take minutes: they run where `-m` names them."""

import pytest

#: Suites to be run by the harness, many of which fail on purpose.
collect_ignore = ["plugins"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "parity" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("parity")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
