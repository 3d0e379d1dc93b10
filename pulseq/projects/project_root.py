"""Where the project of a suite is, and what of its tests needs more than that."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.models import CallBody, CommandBody, PytestBody, Suite, TestCase
from pulseq.project import PrepareSpec
from pulseq.projects.git_files import find_work_tree
from pulseq.projects.path_globs import PathGlobs

#: Programs below these belong to the system of a host, which may well have the same.
_SYSTEM = ("/usr/", "/bin/", "/opt/", "/nix/")
_MOST_NAMED = 5
_NO_SHIP = "or use --no-ship where hosts have it at the same path"


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


def refuse_outside(suite: Suite, root: Path) -> None:
    """Refuse tests that need what is outside of their project, as far as they say so.

    Raises:
        UsageError: names what they need, and what to do.
    """
    _refuse(_find_outside(suite.tests, root))


def refuse_left_behind(suite: Suite, root: Path, sent: Collection[str]) -> None:
    """Refuse tests whose interpreter lies in the project, but does not travel with it, nor is made on hosts.

    Args:
        sent: paths of the files and links that travel.

    Raises:
        UsageError: names it, and what to do.
    """
    _refuse(_find_left_behind(suite.tests, root, sent, suite.project.prepare))


def _refuse(found: Iterator[str]) -> None:
    if told := list(dict.fromkeys(found)):
        more = [f"and {len(told) - _MOST_NAMED} more"] if len(told) > _MOST_NAMED else []
        raise UsageError("\n".join([*told[:_MOST_NAMED], *more]))


def _find_outside(tests: Iterable[TestCase], root: Path) -> Iterator[str]:
    for test in tests:
        if not isinstance(test.body, CommandBody | CallBody | PytestBody):
            continue
        where = f"which is outside of its project '{root}' and so not on other hosts"
        if not is_below(test.cwd, root):
            advice = f"expected one in it: name a `project: {{root: …}}` that has both, {_NO_SHIP}"
            yield f"test '{test.id}': found cwd '{test.cwd}', {where}; {advice}"
        python = test.python
        if python and os.sep in python and not is_below(python, root) and not python.startswith(_SYSTEM):
            advice = "expected one that `prepare` makes in it, a bare name such as python3.12, or a node's own `python`"
            yield f"test '{test.id}': found python '{python}', {where}; {advice}, {_NO_SHIP}"
        for named, told in _find_named(test.body):
            path = os.path.abspath(os.path.join(test.cwd, named))
            if not is_below(path, root) and os.path.exists(path):
                yield f"test '{test.id}': found {told}, {where}; expected a path in it, {_NO_SHIP}"


def _find_named(body: CommandBody | CallBody | PytestBody) -> Iterator[tuple[str, str]]:
    """Paths that a body names, and as what; words of commands are some where they lead upwards."""
    match body:
        case PytestBody(pyargs=False):
            yield from ((target.partition("::")[0], f"'{target}' for pytest") for target in body.targets)
        case CommandBody(shell=False):
            # Hosts may have what a whole path names, and not what lies beside the project here.
            words = (word for word in body.argv if os.pardir in word.split(os.sep) and not os.path.isabs(word))
            yield from ((word, f"'{word}' in its command") for word in words)


def _find_left_behind(
    tests: Iterable[TestCase], root: Path, sent: Collection[str], prepare: PrepareSpec | None
) -> Iterator[str]:
    named = ((test.python, test.id) for test in tests if test.python and os.sep in test.python)
    pythons = {python: test_id for python, test_id in named if is_below(python, root)}
    made = PathGlobs(prepare.outputs if prepare else ())
    for python, test_id in pythons.items():
        path = relative_to(python, root)
        if path not in sent and not made.match(path):
            yield (
                f"test '{test_id}': found python '{python}', which is not sent to other hosts (git ignores it, or "
                f"`ship` does not name it); expected one that `prepare` makes there, with its directory in `outputs`, "
                f"{_NO_SHIP}"
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
