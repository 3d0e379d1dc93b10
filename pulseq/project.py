"""What a suite's code is and what it needs on other hosts, as a suite file says it.

Durations are seconds, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrepareSpec:
    """What makes a project ready on a host, before its first test there.

    Attributes:
        command: a program and its arguments, run in the project's root.
        inputs: files of the project on which its outputs depend.
        outputs: paths in the project that it makes, and that are kept for as long as inputs stay the same.
        timeout_seconds: after which it is ended.
    """

    command: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    timeout_seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    """The `project` of a suite.

    Attributes:
        root: absolute; None is the root of the git work tree that the suite lies in, else the suite's directory.
        ship: globs, relative to the root, of what travels; None is what git tracks or does not ignore.
        exclude: globs of what does not.
        pass_env: globs of the caller's variables that bodies on other hosts get, too.
        secrets: variables that are passed on likewise, and whose values are blotted out wherever they appear.
    """

    root: str | None = None
    ship: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    prepare: PrepareSpec | None = None
    pass_env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
