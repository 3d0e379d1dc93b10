"""The teardown of what was left standing after an item had its verdict, as pytest does one in an item's protocol."""

from __future__ import annotations

import contextlib
from typing import Any, ContextManager, Sequence

import pytest

#: pytest's own plug-ins that have a part in it: they capture, collect what threads raised, and tear down. Others have
#: heard of the item's teardown, and some bear to hear of one only once.
_TEARING_DOWN = ("capturemanager", "logging-plugin", "threadexception", "unraisableexception", "runner")


def tear_down_late(item: Any, nextitem: Any) -> Any:
    """Tear down what is not needed by `nextitem`, after `item`; the report of that."""
    set_up, tear_down = (
        _own_hook(item.config.pluginmanager, name, plugins)
        for name, plugins in (
            ("pytest_runtest_setup", ("logging-plugin",)),
            ("pytest_runtest_teardown", _TEARING_DOWN),
        )
    )

    def run() -> None:
        __tracebackhide__ = True
        tear_down(item=item, nextitem=nextitem)

    with _recording_warnings(item):
        set_up(item=item)  # makes room on the item for what is logged
        call: Any = pytest.CallInfo.from_call(run, when="teardown", reraise=(KeyboardInterrupt, pytest.exit.Exception))
    return pytest.TestReport.from_item_and_call(item, call)


def _own_hook(manager: Any, name: str, plugins: Sequence[str]) -> Any:
    """A hook that these plug-ins alone hear, as far as they are there."""
    hearing = {id(manager.getplugin(plugin)) for plugin in plugins}
    return manager.subset_hook_caller(name, [one for one in manager.get_plugins() if id(one) not in hearing])


def _recording_warnings(item: Any) -> ContextManager[None]:
    if not item.config.pluginmanager.hasplugin("warnings"):
        return contextlib.nullcontext()
    from _pytest.warnings import catch_warnings_for_item

    return catch_warnings_for_item(config=item.config, ihook=item.ihook, when="runtest", item=item)
