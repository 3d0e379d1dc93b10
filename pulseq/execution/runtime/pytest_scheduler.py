"""A scheduler of the suite's own, for pytest-xdist: it is asked which items share a worker, and deals out none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Optional

from .pytest_xdist import scope_of


def scheduler_of(config: Any, mode: str, workers: int) -> Any:
    """What `pytest_xdist_make_scheduler` of a plug-in or a `conftest.py` makes; None where nobody has the hook.

    Args:
        mode: the suite's own `--dist`.
        workers: how many there are.
    """
    caller = getattr(config.hook, "pytest_xdist_make_scheduler", None)
    if caller is None or not caller.has_spec() or not caller.get_hookimpls():
        return None
    with _as_controller(config, "load" if mode == "no" else mode, workers):
        return caller(config=config, log=_NoLog())


def shared_scope(item: Any, mode: str, scheduler: Any) -> Optional[str]:
    """The scope of an item, all of which runs on one worker: the suite's scheduler has the first word."""
    scope = scope_of(item, mode)
    split = getattr(scheduler, "_split_scope", None)
    if split is None:
        return scope
    # In this mode pytest-xdist has the group of an item in its node id.
    nodeid = f"{item.nodeid}@{scope}" if mode == "loadgroup" and scope is not None else item.nodeid
    found = str(split(nodeid))
    return None if found == nodeid else found


@contextmanager
def _as_controller(config: Any, mode: str, workers: int) -> Iterator[None]:
    """For as long as it takes: the options of the process in which pytest-xdist calls the hook."""
    options = {"dist": mode, "tx": ["popen"] * workers, "numprocesses": workers}
    kept = {name: getattr(config.option, name) for name in options}
    vars(config.option).update(options)
    try:
        yield
    finally:
        vars(config.option).update(kept)


class _NoLog:
    """In the place of pytest-xdist's log, which has one more of its kind under each name."""

    def __getattr__(self, name: str) -> "_NoLog":
        return self

    def __call__(self, *words: Any) -> None:
        """Write nothing."""
