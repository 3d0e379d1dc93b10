"""Where the project of a suite is, and what of its tests needs more than that."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from pulseq.errors import UsageError
from pulseq.models import CallBody, CommandBody, PytestBody, Suite, TestCase
from pulseq.projects.git_files import find_work_tree
from pulseq.projects.path_globs import PathGlobs

#: Programs below these belong to the system of a host, which may well have the same.
_SYSTEM = ("/usr/", "/bin/", "/opt/", "/nix/")
_MOST_NAMED = 5
_NO_SHIP = "or use --no-ship where hosts have it at the same path"

#: A test, and what is to be said of it.
Told: TypeAlias = tuple[TestCase, str]


def find_root(suite: Suite) -> Path:
    """The root of a suite's project: what it says, else that of its git work tree, else its directory.

    Raises:
        UsageError: it is none that can be sent anywhere, or there are several.
    """
    if suite.project.root is not None:
        root = Path(suite.project.root)
        if not root.is_dir():
            raise UsageError(f"project: root: found no directory '{root}', expected that of the code under test")
    else:
        places = [Path(place) for place in suite.projects] or [Path.cwd()]
        directories = [place if place.is_dir() else place.parent for place in places]
        roots = sorted({find_work_tree(directory) or directory for directory in directories})
        if len(roots) > 1:
            told = " and ".join(f"'{root}'" for root in roots)
            raise UsageError(
                f"found tests of the projects {told}, expected one where tests run on other hosts: "
                f"run them one after the other, say `project: {{root: …}}` in the suite, {_NO_SHIP}"
            )
        root = roots[0]
    if root in (Path("/"), Path.home()):
        raise UsageError(
            f"the project would be all of '{root}', expected a directory of its own: "
            f"say `project: {{root: …}}` in the suite, {_NO_SHIP}"
        )
    return root


def all_tests(_: TestCase) -> bool:
    """That something concerns each."""
    return True


def refuse(found: Iterable[Told], concerns: Callable[[TestCase], bool] = all_tests) -> None:
    """Refuse tests of which something was found.

    Raises:
        UsageError: names what they need, and what to do.
    """
    if told := say(found, concerns):
        raise UsageError(told)


def say(found: Iterable[Told], concerns: Callable[[TestCase], bool] = all_tests) -> str:
    """What was found of tests, a line for each thing; of many the first ones and how many more there are.

    Args:
        concerns: whether it matters of a test.
    """
    tests: dict[str, list[str]] = {}
    for test, what in found:
        if concerns(test):
            tests.setdefault(what, []).append(test.id)
    lines = [f"test '{ids[0]}'{f' and {len(ids) - 1} more' if ids[1:] else ''}: {what}" for what, ids in tests.items()]
    more = [f"and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return "\n".join([*lines[:_MOST_NAMED], *more])


def find_outside(suite: Suite, root: Path) -> Iterator[Told]:
    """What tests need from outside of their project, as far as they say so."""
    where = f"which is outside of its project '{root}' and so not on other hosts"
    for test in suite.tests:
        if not isinstance(test.body, CommandBody | CallBody | PytestBody):
            continue
        if not is_below(test.cwd, root):
            advice = f"expected one in it: name a `project: {{root: …}}` that has both, {_NO_SHIP}"
            yield test, f"found cwd '{test.cwd}', {where}; {advice}"
        python = test.python
        if python and os.sep in python and not is_below(python, root) and not python.startswith(_SYSTEM):
            advice = "expected one that `prepare` makes in it, a bare name such as python3.12, or a node's own `python`"
            yield test, f"found python '{python}', {where}; {advice}, {_NO_SHIP}"
        is_there = os.path.exists if isinstance(test.body, PytestBody) else os.path.isfile
        for path, told in _find_run(test.body):
            if _lies_outside(path, test, root, is_there):
                yield test, f"found {told}, {where}; expected a path in it, {_NO_SHIP}"


def find_named_outside(suite: Suite, root: Path) -> Iterator[Told]:
    """Files outside of their project that commands of tests name, and may read, or may not."""
    for test in suite.tests:
        for word in _find_named(test.body) if isinstance(test.body, CommandBody) else ():
            if _lies_outside(word, test, root, os.path.isfile):
                yield (
                    test,
                    f"found '{word}' in its command, a file outside of its project '{root}' and so not on other "
                    f"hosts; if it is read there, name a `project: {{root: …}}` that has both, {_NO_SHIP}",
                )


def _lies_outside(named: str, test: TestCase, root: Path, is_there: Callable[[str], bool]) -> bool:
    path = os.path.abspath(os.path.join(test.cwd, named))
    return not is_below(path, root) and is_there(path)


def _find_run(body: CommandBody | CallBody | PytestBody) -> Iterator[tuple[str, str]]:
    """Paths of what a body runs, and as what it names them."""
    match body:
        case PytestBody(pyargs=False):
            yield from ((target.partition("::")[0], f"'{target}' for pytest") for target in body.targets)
        case CommandBody(shell=False):
            words = (word for word in (body.argv[0], body.script) if word and _leads_up(word))
            yield from ((word, f"'{word}' in its command") for word in words)


def _find_named(body: CommandBody) -> Iterator[str]:
    """Words of a command that may be paths of what it reads: values of options are as often what it writes."""
    words = () if body.shell else body.argv[1:] if body.script else body.argv
    for before, word in pairwise(words):
        takes_value = before.startswith("-") and before != "--" and "=" not in before
        if _leads_up(word) and not takes_value:
            yield word


def _leads_up(word: str) -> bool:
    # Hosts may have what a whole path names, and not what lies beside the project here.
    return os.pardir in word.split(os.sep) and not os.path.isabs(word)


def find_left_behind(suite: Suite, root: Path, sent: Collection[str]) -> Iterator[Told]:
    """Tests whose interpreter lies in the project, but does not travel with it, nor is made on hosts.

    Args:
        sent: paths of the files and links that travel.
    """
    made = PathGlobs(suite.project.prepare.outputs if suite.project.prepare else ())

    @functools.cache
    def stays(python: str) -> bool:
        path = relative_to(python, root)
        return is_below(python, root) and path not in sent and not made.match(path)

    for test in suite.tests:
        if test.python and os.sep in test.python and stays(test.python):
            yield (
                test,
                f"found python '{test.python}', which is not sent to other hosts (git ignores it, or `ship` does not "
                f"name it); expected one that `prepare` makes there, with its directory in `outputs`, {_NO_SHIP}",
            )


def is_below(path: str, root: Path) -> bool:
    """Whether a path is in a project, by its name or by what its directories really are."""
    return not relative_to(path, root).startswith(os.pardir)


def relative_to(path: str, root: Path) -> str:
    """A path from the project's root on; the last part of it may be a link to anywhere."""
    relative = os.path.relpath(path, root)
    if relative.startswith(os.pardir):
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        relative = os.path.relpath(real, os.path.realpath(root))
    return relative
