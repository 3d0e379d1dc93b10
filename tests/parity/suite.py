"""What is run: a suite with its packages, its arguments and the reports that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

#: Reads what a run left: its tree, its output and the interpreter of its environment. Gives JSON that two runs share.
Reader = Callable[["Place"], Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run took place, after its end."""

    tree: Path
    output: str
    python: Path


@dataclass(frozen=True, slots=True)
class Report:
    """A report that a run leaves, by name, and how its contents are read."""

    name: str
    read: Reader


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plug-in of pytest: what is installed, and what it is given when a foreign suite is run with it."""

    name: str
    packages: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """A source tree and what is run in it.

    `sdist` is a pinned requirement whose source distribution is the tree; without one, `tree` is copied.
    `paths` are what pytest and PulseQ are given, `arguments` what both are given besides. With `command` the suite
    is no pytest suite: the command runs by itself, and as the only test of a suite file; in it `{python}` is the
    interpreter of the environment. `plugins` are those that the suite is run with by name.
    """

    name: str
    packages: tuple[str, ...]
    sdist: str = ""
    tree: Path | None = None
    paths: tuple[str, ...] = ("tests",)
    arguments: tuple[str, ...] = ()
    pyargs: bool = False
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    reports: tuple[Report, ...] = ()
    plugins: tuple[str, ...] = ()
    timeout_seconds: float = 300.0

    def with_plugin(self, plugin: Plugin) -> Suite:
        """This suite, run with a plug-in that it does not use by itself."""
        return replace(
            self,
            packages=(*self.packages, *plugin.packages),
            arguments=(*self.arguments, *plugin.arguments),
            reports=(*self.reports, *plugin.reports),
            plugins=(*self.plugins, plugin.name),
        )
