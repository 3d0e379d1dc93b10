"""Why forks of one process would not be to a suite what interpreters of their own are."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Dict, Iterator, List, Optional

from . import originals
from .blotting import blot
from .pytest_own_values import OwnValues, holder_of
from .pytest_xdist import NODE_HOOKS, WORKER_KEY, WORKER_VARIABLE

#: Hooks that undo what others have done, which a fork would undo for all.
_UNDOING = {"pytest_unconfigure": "pytest_configure", "pytest_sessionfinish": "pytest_sessionstart"}

#: Plug-ins whose hooks were looked through: a fork does to them what a worker does.
_HARMLESS = frozenset(
    {"_pytest", "xdist", "_hypothesis_pytestplugin", "anyio", "pytest_asyncio", "pulseq", "_pulseq_runtime"}
)

#: Its function that tells which worker it is stands between this and who asks.
_XDISTS = os.path.join("xdist", "plugin.py")


def reason_in_hooks(config: Any) -> Optional[str]:
    """What plug-ins do for each worker, or undo at its end; None where a fork will do."""
    manager = config.pluginmanager
    for hook in NODE_HOOKS:
        for plugin in implementers(manager, hook):
            return f"{_name(manager, plugin)} has {hook}"
    for undoing, doing in _UNDOING.items():
        for plugin in implementers(manager, undoing):
            if any(hasattr(plugin, name) for name in (doing, "pytest_configure", "pytest_sessionstart")):
                return f"{_name(manager, plugin)} has {undoing}"
    return None


def implementers(manager: Any, hook: str) -> Iterator[Any]:
    """The plug-ins that have a hook, but for pytest's own and others that are known."""
    caller = getattr(manager.hook, hook, None)
    for implementation in caller.get_hookimpls() if caller is not None else ():
        if _package(implementation.plugin) not in _HARMLESS:
            yield implementation.plugin


def _package(plugin: Any) -> str:
    module = plugin.__name__ if hasattr(plugin, "__name__") else type(plugin).__module__
    return str(module).split(".")[0]


def foreign_loops(config: Any) -> List[str]:
    """The plug-ins that would run the items by a loop of their own (`pytest_runtestloop`), which workers do not call.

    Asked in that hook. One that surrounds it and means to run the items after it says that nothing is to be run.
    """
    manager = config.pluginmanager
    hijacked = bool(config.option.collectonly)
    loops = [
        one.plugin
        for one in manager.hook.pytest_runtestloop.get_hookimpls()
        if hijacked or not (one.hookwrapper or getattr(one, "wrapper", False))
    ]
    known = ("_pytest", "xdist", str(__package__).partition(".")[0])
    return sorted(blot(_name(manager, plugin)) for plugin in loops if _package(plugin) not in known)


def _name(manager: Any, plugin: Any) -> str:
    name = str(manager.get_canonical_name(plugin))
    path = getattr(plugin, "__file__", None)
    if path and os.path.basename(path) == "conftest.py":
        return str(os.path.relpath(path))
    return str(getattr(type(plugin), "__module__", name)).split(".")[0] if name.isdigit() else name


def reason_after_collection(config: Any, reads: "Reads", values: OwnValues, worker: str) -> Optional[str]:
    """What was found in a process that has collected as this worker; None where it may be forked."""
    if reads.reader is not None:
        return f"{reads.what} is read while the suite is imported ({reads.reader})"
    if values.maker is not None:
        return f"{values.what} is made while the suite is imported ({values.maker})"
    holder = holder_of(worker, sys.modules.values())
    if holder is not None:
        return f"the worker's name is kept in {holder} while the suite is imported"
    threads = other_threads()
    if threads:
        return f"threads run after the suite was imported ({', '.join(threads)})"
    patched = originals.patched()
    if patched:
        more = f" and {len(patched) - 3} more" if len(patched) > 3 else ""
        return f"the standard library is patched ({', '.join(patched[:3])}{more})"
    return reason_in_hooks(config)


def other_threads() -> List[str]:
    """The names of all threads but this one, Python's or not."""
    own = str(os.getpid())
    names = []
    for thread in os.listdir("/proc/self/task"):
        if thread == own:
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            with open(f"/proc/self/task/{thread}/comm", encoding="utf-8", errors="replace") as file:
                names.append(file.read().strip())
    return sorted(set(names))


class Reads:
    """Notices that this process is asked which worker it is.

    That is a variable of its environment that is read for itself, and not in a copy of all, or what its controller
    gave it.

    Attributes:
        reader: `file:line` of the first to do so; None for nobody.
        what: it has read.
    """

    def __init__(self) -> None:
        self.reader: Optional[str] = None
        self.what = WORKER_VARIABLE
        self._watching = False
        self._given: Optional[_NoticingInput] = None

    def watch(self) -> None:
        """Begin to notice."""
        self._watching = True
        environ: Any = os.environ
        _put(_Noticing(environ._data, environ.encodekey(WORKER_VARIABLE), self.note))

    def given(self, given: Dict[str, Any]) -> Dict[str, Any]:
        """The same as `config.workerinput`."""
        self._given = _NoticingInput(given)
        self._given.note = self._note_given
        return self._given

    def stop(self) -> None:
        """Notice no more."""
        if self._given is not None:
            self._given.note = _ignore
        if self._watching:
            environ: Any = os.environ
            _put(dict(dict.items(environ._data)))

    def note(self) -> None:
        """The variable was read by whoever called `os.environ`."""
        self._note(WORKER_VARIABLE, sys._getframe(2))

    def _note_given(self) -> None:
        self._note(f"config.workerinput[{WORKER_KEY!r}]", sys._getframe(2))

    def _note(self, what: str, frame: Any) -> None:
        if self.reader is not None:
            return
        while frame is not None and _is_library(frame.f_code.co_filename):
            if frame.f_code.co_name == "__contains__":
                return  # to be a worker at all is what forks have in common
            frame = frame.f_back
        self.what = what
        self.reader = "?" if frame is None else f"{os.path.relpath(frame.f_code.co_filename)}:{frame.f_lineno}"


def _put(data: Dict[Any, Any]) -> None:
    """Have this behind both views of the environment, which share what they hold."""
    views: Any = (os.environ, os.environb)
    for view in views:
        view._data = data


def _is_library(filename: str) -> bool:
    return (
        filename.startswith("<frozen") or filename == os.__file__ or filename.endswith(("_collections_abc.py", _XDISTS))
    )


def _ignore() -> None:
    return None


class _NoticingInput(Dict[str, Any]):
    note: Any = staticmethod(_ignore)

    def __getitem__(self, key: str) -> Any:
        if key == WORKER_KEY:
            self.note()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        if key == WORKER_KEY:
            self.note()
        return super().get(key, default)

    def copy(self) -> Dict[str, Any]:
        self.note()
        return super().copy()


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
