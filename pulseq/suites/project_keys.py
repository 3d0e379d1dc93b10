"""The key `project` of a suite."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pulseq.models import PRIVATE_PREFIXES
from pulseq.project import PrepareSpec, ProjectSpec
from pulseq.suites.documents import Flaw, Flawed, describe
from pulseq.suites.schema import Expected, Keys, ReadBy, read
from pulseq.suites.values import PositiveSeconds, Text

_Globs = Annotated[tuple[Text, ...], Expected("a list of paths or patterns, relative to the project's root")]
_Names = Annotated[tuple[Text, ...], Expected("a list of variables' names")]
_PATTERN = frozenset("*?[")


def _read_passed(value: Any) -> tuple[str, ...]:
    """Names of variables, or patterns of them."""
    names: tuple[str, ...] = read(_Names, value)
    _refuse(names, lambda name: "=" in name, "the name of a variable, whose value is the caller's")
    _refuse(names, lambda name: name.startswith(PRIVATE_PREFIXES), _NOT_PASSED)
    return names


def _read_secrets(value: Any) -> tuple[str, ...]:
    names = _read_passed(value)
    _refuse(names, lambda name: not _PATTERN.isdisjoint(name), "a name without wildcards: a secret has to be there")
    return tuple(dict.fromkeys(names))


_NOT_PASSED = f"a variable that bodies may have: those that begin with {', '.join(PRIVATE_PREFIXES)} are not passed on"


def _refuse(names: Sequence[str], is_wrong: Callable[[str], bool], expected: str) -> None:
    flaws = [Flaw((index,), describe(name), expected) for index, name in enumerate(names) if is_wrong(name)]
    if flaws:
        raise Flawed(flaws)


def _read_command(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            value = shlex.split(read(Text, value))
        except ValueError as error:
            raise Flawed.at(describe(value), f"a command that can be split ({error})") from None
    words: tuple[str, ...] = read(_Words, value)
    return words


_Words = Annotated[tuple[Text, ...], Expected("a program and its arguments, as a list or as text", min_length=1)]


class PrepareKeys(Keys, thing="prepare", needs=("command",)):
    command: Annotated[tuple[str, ...], ReadBy(_read_command)]
    inputs: _Globs
    outputs: _Globs
    timeout: PositiveSeconds


class ProjectKeys(Keys, thing="project"):
    root: Text
    ship: _Globs
    exclude: _Globs
    prepare: PrepareKeys
    pass_env: Annotated[tuple[str, ...], ReadBy(_read_passed)]
    secrets: Annotated[tuple[str, ...], ReadBy(_read_secrets)]


def project_from_mapping(mapping: Mapping[str, Any], directory: Path) -> ProjectSpec:
    """The `project` of a suite, given as a dict.

    Args:
        directory: the one that its root is relative to.

    Raises:
        ValueError: a value that cannot be used; the text is one sentence about the first of them.
    """
    try:
        return make_project(read(ProjectKeys, mapping), directory)
    except Flawed as error:
        raise ValueError(f"project: {error.flaws[0]}") from None


def make_project(values: Mapping[str, Any], directory: Path) -> ProjectSpec:
    """The project of a suite in this directory."""
    kept: dict[str, Any] = {**values}
    if "root" in kept:
        kept["root"] = os.path.abspath(directory / kept["root"])
    if "prepare" in kept:
        prepare = {**kept["prepare"]}
        if "timeout" in prepare:
            prepare["timeout_seconds"] = prepare.pop("timeout")
        kept["prepare"] = PrepareSpec(**prepare)
    return ProjectSpec(**kept)
