"""Why forks of one process would not be to a suite what interpreters of their own are."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

from . import originals
from .pytest_xdist import NODE_HOOKS, WORKER_VARIABLE

#: Hooks that undo what others have done, which a fork would undo for all.
_UNDOING = {"pytest_unconfigure": "pytest_configure", "pytest_sessionfinish": "pytest_sessionstart"}

#: Plug-ins whose hooks were looked through: a fork does to them what a worker does.
_HARMLESS = frozenset({"_pytest", "xdist", "_hypothesis_pytestplugin", "anyio", "pytest_asyncio", "pulseq"})


def reason_in_hooks(config: Any) -> Optional[str]:
    """What plug-ins do for each worker, or undo at its end; None where a fork will do."""
    manager = config.pluginmanager
    for hook in NODE_HOOKS:
        for plugin in _implementers(manager, hook):
            return f"{_name(manager, plugin)} has {hook}"
    for undoing, doing in _UNDOING.items():
        for plugin in _implementers(manager, undoing):
            if any(hasattr(plugin, name) for name in (doing, "pytest_configure", "pytest_sessionstart")):
                return f"{_name(manager, plugin)} has {undoing}"
    return None


def _implementers(manager: Any, hook: str) -> Iterator[Any]:
    caller = getattr(manager.hook, hook, None)
    for implementation in caller.get_hookimpls() if caller is not None else ():
        plugin = implementation.plugin
        module = plugin.__name__ if hasattr(plugin, "__name__") else type(plugin).__module__
        if module.split(".")[0] not in _HARMLESS and not module.startswith("_pulseq_runtime"):
            yield plugin


def _name(manager: Any, plugin: Any) -> str:
    name = str(manager.get_canonical_name(plugin))
    path = getattr(plugin, "__file__", None)
    if path and os.path.basename(path) == "conftest.py":
        return str(os.path.relpath(path))
    return str(getattr(type(plugin), "__module__", name)).split(".")[0] if name.isdigit() else name


def reason_after_collection(config: Any, reads: "Reads") -> Optional[str]:
    """What was found in a process that has collected; None where it may be forked."""
    if reads.reader is not None:
        return f"{WORKER_VARIABLE} is read while the suite is imported ({reads.reader})"
    threads = _threads()
    if threads:
        return f"threads run after the suite was imported ({', '.join(threads)})"
    patched = originals.patched()
    if patched:
        more = f" and {len(patched) - 3} more" if len(patched) > 3 else ""
        return f"the standard library is patched ({', '.join(patched[:3])}{more})"
    return reason_in_hooks(config)


def _threads() -> List[str]:
    """The names of all threads but this one, Python's or not."""
    own = str(os.getpid())
    names = []
    for thread in os.listdir("/proc/self/task"):
        if thread != own:
            with open(f"/proc/self/task/{thread}/comm", encoding="utf-8", errors="replace") as file:
                names.append(file.read().strip())
    return sorted(set(names))


class Reads:
    """Notices that a variable of this process's environment is read for itself, and not in a copy of all.

    Attributes:
        reader: `file:line` of the first to do so; None for nobody.
    """

    def __init__(self) -> None:
        self.reader: Optional[str] = None
        #: Two views of one dictionary.
        self._environs: Tuple[Any, ...] = (os.environ, os.environb)
        self._plain: Any = None

    def watch(self) -> None:
        """Begin to notice."""
        self._plain = self._environs[0]._data
        self._look_at(_Noticing(self._plain, os.fsencode(WORKER_VARIABLE), self.note))

    def stop(self) -> None:
        """Notice no more."""
        if self._plain is not None:
            self._look_at(dict(dict.items(self._environs[0]._data)))

    def _look_at(self, data: Dict[Any, Any]) -> None:
        for environ in self._environs:
            environ._data = data

    def note(self) -> None:
        """The variable was read by whoever called `os.environ`."""
        if self.reader is not None:
            return
        frame: Any = sys._getframe(2)
        while frame is not None and _is_library(frame.f_code.co_filename):
            frame = frame.f_back
        self.reader = "?" if frame is None else f"{os.path.relpath(frame.f_code.co_filename)}:{frame.f_lineno}"


def _is_library(filename: str) -> bool:
    return filename.startswith("<frozen") or filename == os.__file__ or filename.endswith("_collections_abc.py")


class _Noticing(Dict[Any, Any]):
    def __init__(self, data: Dict[Any, Any], key: Any, note: Any) -> None:
        super().__init__(data)
        self._key = key
        self._note = note
        self._copied: List[Any] = []

    def __iter__(self) -> Iterator[Any]:
        # Whoever copies an environment reads all of it, in this order.
        self._copied = list(super().__iter__())
        return iter(list(self._copied))

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        if self._copied and self._copied[0] == key:
            del self._copied[0]
        elif key == self._key:
            self._note()
        return value
