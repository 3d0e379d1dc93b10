"""What can be told of a project before anything of it is read, or any host is reached."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.models import Suite, TestCase
from pulseq.projects.path_globs import PathGlobs
from pulseq.projects.prepare_order import refuse_unusable
from pulseq.projects.project_files import find_files
from pulseq.projects.project_root import (
    all_tests,
    find_left_behind,
    find_named_outside,
    find_outside,
    find_root,
    is_below,
    refuse,
    relative_to,
    say,
)

NOT_PREPARED = (
    "nodes of this machine take the project where it is and do not prepare it; make it here, or use --ship, which "
    "prepares for them too"
)


def refuse_unsendable(suite: Suite, home: Path, concerns: Callable[[TestCase], bool] = all_tests) -> None:
    """Refuse a project that no host could use, as far as the paths tell.

    Args:
        home: the state directory, which does not travel.
        concerns: whether a test may get to a host.

    Raises:
        UsageError: it cannot be sent, or could not be made ready.
    """
    root = find_root(suite)
    refuse(find_outside(suite, root), concerns)
    prepare = suite.project.prepare
    if prepare is None and not any(test.python and os.sep in test.python for test in suite.tests):
        return
    found = find_files(root, suite.project, never=[home])
    refuse(find_left_behind(suite, root, {*found.files, *(path for path, _ in found.links)}), concerns)
    if prepare is not None:
        refuse_unusable(prepare, found.files, str(root))


def say_named_outside(suite: Suite, concerns: Callable[[TestCase], bool] = all_tests) -> str:
    """Which files outside of a suite's project its commands name, a line for each; empty for none.

    Args:
        concerns: whether a test may get to a host.

    Raises:
        UsageError: it is no project that can be sent.
    """
    return say(find_named_outside(suite, find_root(suite)), concerns)


def say_unmade(suite: Suite) -> str | None:
    """What a suite's `prepare` makes and its project does not have where it is, and what to do; None for nothing."""
    root, outputs = _find_promised(suite)
    if root is None:
        return None
    unmade = [repr(output) for output in outputs if not os.path.isabs(output) and not _is_made(root, output)]
    return f"{', '.join(unmade)} of `prepare` is not here: {NOT_PREPARED}" if unmade else None


def _is_made(root: Path, output: str) -> bool:
    """Whether there is what a host would take for this output."""
    try:
        found = glob.iglob(output.rstrip(os.sep), root_dir=root, recursive=True, include_hidden=True)
        return next(found, None) is not None
    except ValueError:  # no path at all, which the host that prepares it says
        return True


class PromisedPaths:
    """Whether a suite's `prepare` makes a path, where it is run."""

    def __init__(self, suite: Suite) -> None:
        self._root, outputs = _find_promised(suite)
        self._outputs = PathGlobs(outputs)

    def has(self, path: str | None) -> bool:
        """Whether this one, which is absolute, is among them."""
        if path is None or self._root is None or not is_below(path, self._root):
            return False
        return self._outputs.match(relative_to(path, self._root))


def _find_promised(suite: Suite) -> tuple[Path | None, tuple[str, ...]]:
    """The root of a project that is made ready on hosts, and what is made there; None for one that is not."""
    prepare = suite.project.prepare
    if prepare is None:
        return None, ()
    try:
        return find_root(suite), prepare.outputs
    except UsageError:  # told where the project is sent
        return None, ()
