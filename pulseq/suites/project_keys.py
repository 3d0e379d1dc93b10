"""The key `project` of a suite."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pulseq.project import PrepareSpec, ProjectSpec
from pulseq.suites.documents import Flawed, describe
from pulseq.suites.schema import Expected, Keys, ReadBy, read
from pulseq.suites.values import PositiveSeconds, Text

_Globs = Annotated[tuple[Text, ...], Expected("a list of paths or patterns, relative to the project's root")]
_Names = Annotated[tuple[Text, ...], Expected("a list of variables' names")]


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
    pass_env: _Names
    secrets: _Names


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
