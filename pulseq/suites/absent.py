"""What a test names that is not on this machine: a directory, a program, an interpreter, a file.

Held against what a local node of this machine would find: the same `PATH`, the same directories.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import NamedTuple

from pulseq.models import Body, CallBody, CommandBody, PytestBody, TestCase
from pulseq.suites.documents import shorten
from pulseq.suites.reading import describe_missing, hint_at_similar

_VARIABLE = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
#: Words of a shell that are no programs, or as such do nothing for the next command.
_SHELLS_OWN = frozenset(
    ("cd", "export", "source", ".", "alias", "unset", "set", "eval", "exec", "ulimit", "umask", "wait", "trap")
)
_HASHBANG_BYTES = 256


class Absent(NamedTuple):
    """Something that is not there.

    Attributes:
        told: the key that names it, what was looked for, and what to do.
        path: absolute; where it was looked for, or None where that was no one place.
    """

    told: str
    path: str | None = None


class Absences:
    """What tests name that is not there; what two tests name alike is looked for once."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Absent, ...]] = {}

    def find(self, test: TestCase) -> tuple[Absent, ...]:
        """As `find_absent`."""
        key = _key_of(test)
        if key not in self._known:
            self._known[key] = tuple(find_absent(test))
        return self._known[key]


def _key_of(test: TestCase) -> Hashable:
    """All that `find_absent` goes by."""
    match test.body:
        case CommandBody(argv=argv, shell=shell):
            named: Hashable = (argv[:2], shell)
        case PytestBody(targets=targets, args=args, pyargs=pyargs):
            named = (targets, pyargs or "--pyargs" in args)
        case _:
            named = None
    return (type(test.body), named, test.cwd, test.python, test.env.get("PATH"))


def find_absent(test: TestCase) -> Iterator[Absent]:
    """What a test names that is not there."""
    finders = _FINDERS.get(type(test.body), ())
    if finders and not os.path.isdir(test.cwd):
        yield Absent(f"cwd: found no directory '{test.cwd}'{hint_at_similar(Path(test.cwd))}", test.cwd)
        return
    for find in finders:
        yield from find(test.body, test)


def _find_of_command(body: CommandBody, test: TestCase) -> Iterator[Absent]:
    if body.shell:
        return
    program = body.argv[0]
    found = shutil.which(*_as_node_would(program, test))
    if found is None:
        path = os.path.abspath(os.path.join(test.cwd, program)) if os.sep in program else None
        yield Absent(f"command: {_explain(program, test.cwd)}", path)
    elif (interpreter := _read_hashbang(found)) and shutil.which(*_as_node_would(interpreter, test)) is None:
        yield Absent(f"command: found no program '{interpreter}', which the first line of '{program}' names")
    elif body.script is not None:
        file = Path(test.cwd, body.script)
        if not file.exists() and not shutil.which(body.script):
            yield Absent(f"command: {describe_missing(file)}", os.path.abspath(file))


def _as_node_would(program: str, test: TestCase) -> tuple[str, int, str]:
    """What `shutil.which` takes, so that it looks where a node does: from the test's directory, in its `PATH`."""
    if os.sep in program:
        return os.path.join(test.cwd, program), os.F_OK | os.X_OK, ""
    folders = test.env.get("PATH", os.environ.get("PATH", os.defpath)).split(os.pathsep)
    folders = [os.path.join(test.cwd, folder) for folder in (*folders, os.path.dirname(sys.executable))]
    return program, os.F_OK | os.X_OK, os.pathsep.join(folders)


def _explain(program: str, cwd: str) -> str:
    if variable := _VARIABLE.fullmatch(program):
        return (
            f"found '{shorten(program)}' in a program's place, expected the variable under the key env: "
            f"{{{variable[1]}: {shorten(variable[2]) or repr('')}}}"
        )
    if program in _SHELLS_OWN:
        other = "the key cwd" if program == "cd" else "a program"
        return f"found '{program}', which only a shell has, expected {other}, or shell: true beside it"
    if os.sep not in program:
        return f"found no program '{shorten(program)}' on PATH, expected one, or a path to it such as ./{program}"
    path = Path(cwd, program)
    if path.is_dir():
        return f"found '{program}', which is a directory, expected a program"
    if path.exists():
        return f"found '{program}', which is not executable, expected a program: try `chmod +x`"
    return f"found no program '{path}'{hint_at_similar(path)}"


def _read_hashbang(path: str) -> str | None:
    """The interpreter that a script's first line names; None for what has no such line."""
    try:
        with open(path, "rb") as file:
            line = file.read(_HASHBANG_BYTES).split(b"\n")[0]
    except OSError:
        return None
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if words and os.path.basename(words[0]) == "env" and len(words) == 2 and not words[1].startswith("-"):
        return words[1]
    return words[0] if words else None


def _find_of_pytest(body: PytestBody, test: TestCase) -> Iterator[Absent]:
    for target in () if body.pyargs or "--pyargs" in body.args else body.targets:
        path = Path(test.cwd, target.partition("::")[0])
        if not path.exists():
            yield Absent(f"pytest: {describe_missing(path)}", os.path.abspath(path))


def _find_interpreter(_body: Body, test: TestCase) -> Iterator[Absent]:
    if test.python is not None and (message := describe_missing_python(test.python)):
        yield Absent(f"python: {message}", test.python if os.sep in test.python else None)


def describe_missing_python(python: str) -> str | None:
    """That no interpreter is found under a path or a name; None where there is one."""
    if shutil.which(python):
        return None
    if os.sep not in python:
        return f"found no interpreter '{shorten(python)}' on PATH, expected one, or a path such as .venv/bin/python"
    if os.path.exists(python):
        return f"found '{python}', which is no program, expected an interpreter such as .venv/bin/python"
    return f"found no interpreter '{python}'{hint_at_similar(Path(python))}"


_FINDERS: dict[type[Body], tuple[Callable[..., Iterator[Absent]], ...]] = {
    CommandBody: (_find_of_command,),
    CallBody: (_find_interpreter,),
    PytestBody: (_find_interpreter, _find_of_pytest),
}
