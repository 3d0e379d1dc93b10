"""Lets several processes of a machine share the rewriting of a suite's assertions.

Where pytest finds no cached bytecode, most of the time of a collection goes into parsing the test files,
rewriting their `assert`s and compiling them: work on a file's text alone, which no hook and no order can
change. So each file is rewritten once, by whichever process comes to it first: the zygotes of all nodes
that share a store, and forks of them that only rewrite. Everything else of a collection each zygote does
by itself, in pytest's own order.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator

from _pytest.assertion import rewrite

from .forking import fork_silently
from .process_tree import die_with_parent
from .pytest_files import FilesAhead
from .pytest_rewrite_store import Store, make_private

#: Parameters of the functions of pytest's that are used here; a pytest with others shares nothing.
_PARAMETERS = {"_read_pyc": 3, "_write_pyc": 4, "_rewrite_test": 2, "get_cache_dir": 1}


@contextlib.contextmanager
def shared_rewriting(session: Any, directory: str, helpers: int) -> Iterator[None]:
    """While this lasts, rewritten files are taken from `directory` and left there.

    Args:
        helpers: how many forks to have that rewrite what is not imported yet; they start when the first
            file is met of which there is no bytecode.
    """
    store = _open_store(session.config, directory)
    if store is None:
        yield
        return
    team = Team(store, FilesAhead(session), helpers)
    pytests: Any = rewrite
    own = pytests._read_pyc
    pytests._read_pyc = lambda source, pyc, trace=_say_nothing: (
        own(source, pyc, trace) or team.obtain(Path(source), Path(pyc))
    )
    try:
        yield
    finally:
        pytests._read_pyc = own
        team.dismiss()


class Team:
    """This process and its helpers at the rewriting of one suite."""

    def __init__(self, store: Store, ahead: Iterable[Path], helpers: int) -> None:
        self._store = store
        self._ahead = iter(ahead)
        self._to_hire = helpers
        self._helpers: list[int] = []
        self._pid = os.getpid()

    def obtain(self, source: Path, pyc: Path) -> types.CodeType | None:
        """The code of a file that is about to be imported; None where pytest had better see to it itself."""
        if os.getpid() != self._pid:
            return None
        self._hire()
        code = self._store.find(source)
        while code is None and not self._rewrite(source):
            # Another process is at it: what comes next is of more use than to wait.
            following = next(self._ahead, None)
            if following is None:
                return None
            self._prepare(following)
            code = self._store.find(source)
        code = code or self._store.find(source)
        if code is not None and not sys.dont_write_bytecode:
            self._store.copy(source, pyc)
        return code

    def dismiss(self) -> None:
        """End the helpers."""
        if os.getpid() != self._pid:
            return
        for pid in self._helpers:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self._store.close()

    def _rewrite(self, source: Path) -> bool:
        """Whether this process could see to a file, and did where it was still to do."""
        if not self._store.claim(source):
            return False
        try:
            if self._store.find(source) is None:
                self._store.rewrite(source)
        finally:
            self._store.release(source)
        return True

    def _prepare(self, source: Path) -> None:
        if not self._store.seems_done(source):
            self._rewrite(source)

    def _hire(self) -> None:
        while self._to_hire > 0:
            self._to_hire -= 1
            try:
                pid = fork_silently()
            except OSError:  # it goes without: the machine can start no process now
                return
            if pid == 0:
                self._help()
            self._helpers.append(pid)

    def _help(self) -> None:
        """A helper's life: rewrite file after file."""
        try:
            die_with_parent()
            self._store.reopen()
            for source in self._ahead:
                self._prepare(source)
        finally:
            os._exit(0)


def _say_nothing(_message: str) -> None:
    return None


def _open_store(config: Any, directory: str) -> Store | None:
    """None where nothing is rewritten, by a pytest that works otherwise than is known here, or on a full disk."""
    stash, key = getattr(config, "stash", None), getattr(rewrite, "assertstate_key", None)
    state: Any = None if stash is None or key is None else stash.get(key, None)
    if getattr(state, "hook", None) is None or not _is_known(rewrite):
        return None
    try:
        make_private(directory)
        return Store(rewrite, config, state, directory)
    except OSError:
        return None


def _is_known(module: Any) -> bool:
    functions: dict[str, Callable[..., Any] | None] = {name: getattr(module, name, None) for name in _PARAMETERS}
    return hasattr(module, "PYC_TAIL") and all(
        function is not None and len(inspect.signature(function).parameters) == _PARAMETERS[name]
        for name, function in functions.items()
    )
