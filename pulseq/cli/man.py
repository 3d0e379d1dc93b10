"""`pulseq man`: the manual page, made from the functions and words that `--help` is made from."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import cyclopts

from pulseq import __version__
from pulseq.cli.help_text import say_default, say_purpose
from pulseq.cli.main import app
from pulseq.reports.roff import Item, PagePart, render_page

_FILES = (
    Item("`pulseq.yaml`, `pulseq.nodes.yaml`", "The suite of a directory where none is named, and its nodes."),
    Item("`.pulseq`", "The state directory: a journal for each run, and results.duckdb."),
)
_ENVIRONMENT = (
    Item("`PULSEQ_HOME`", "The state directory."),
    Item("`PREFECT_API_URL`", "The Prefect server to use; without it, and without a profile, a run starts its own."),
    Item("`CI`", "Where it is set, lines without control codes are printed, as where the output is no terminal."),
)


def man() -> int:
    """Print the manual page: `pulseq man | man -l -` shows it.

    `pulseq man > DIRECTORY/man1/pulseq.1` keeps it, in a directory of $MANPATH.
    """
    sys.stdout.write(write_manual())
    return 0


def write_manual() -> str:
    """The manual page in the language of man(7)."""
    commands = list(_find_commands(app))
    parts = [
        PagePart(1, "Name", ["pulseq - run test suites across machines that differ"]),
        PagePart(1, "Synopsis", ["`pulseq` COMMAND [OPTIONS] [ARGUMENTS]", "`pulseq` COMMAND `--help`"]),
        PagePart(
            1, "Description", [app.help], [Item(f"`{name}`", _say_first(command.help)) for name, command in commands]
        ),
        PagePart(1, "Commands"),
        *(part for name, command in commands for part in _describe(name, command)),
        PagePart(1, "Exit status", [str(app.help_epilogue)]),
        PagePart(1, "Environment", items=_ENVIRONMENT),
        PagePart(1, "Files", items=_FILES),
    ]
    return render_page("pulseq", f"PulseQ {__version__}", parts)


def _find_commands(parent: cyclopts.App, above: tuple[str, ...] = ()) -> Iterator[tuple[str, cyclopts.App]]:
    for name in parent:
        if name.startswith("-"):
            continue
        command = parent[name]
        if command.default_command is not None:
            yield " ".join((*above, name)), command
        yield from _find_commands(command, (*above, name))


def _describe(name: str, command: cyclopts.App) -> Iterator[PagePart]:
    taken = command.assemble_argument_collection(default_parameter=app.default_parameter, parse_docstring=True)
    shown = [argument for argument in taken if argument.show]
    options = [argument for argument in shown if argument.names[0].startswith("-")]
    words = [argument for argument in shown if argument not in options]
    usage = " ".join([f"`pulseq {name}`", *(["[OPTIONS]"] if options else []), *map(_say_word, words)])
    purpose = say_purpose(command.default_command) if command.default_command is not None else []
    told = [Item(_say_word(argument), _say_help(argument)) for argument in words]
    yield PagePart(2, f"pulseq {name}", [usage, *purpose], told)
    for title, group in groupby(options, _group_of):
        items = [Item(_say_names(option), _say_help(option)) for option in group]
        # What has no group of its own needs no heading.
        yield PagePart(3, "Options" if title == "Parameters" else title, items=items)


def _say_first(text: str) -> str:
    return text.partition("\n\n")[0]


def _group_of(argument: cyclopts.Argument) -> str:
    groups = argument.parameter.group
    names = [group.name for group in groups if isinstance(group, cyclopts.Group)] if isinstance(groups, tuple) else []
    return names[0] if names else "Parameters"


def _say_word(argument: cyclopts.Argument) -> str:
    name = argument.names[0]
    many = "..." if argument.field_info.kind is inspect.Parameter.VAR_POSITIONAL else ""
    return f"{name}{many}" if argument.field_info.required else f"[{name}{many}]"


def _say_names(argument: cyclopts.Argument) -> str:
    value = _say_value(argument)
    return ", ".join(f"`{name}`{f' {value}' if value else ''}" for name in argument.names)


def _say_value(argument: cyclopts.Argument) -> str:
    if choices := argument.get_choices():
        return "|".join(choices)
    kinds: Sequence[tuple[type, str]] = ((bool, ""), (Path, "FILE"), (int, "N"), (float, "N"), (str, "TEXT"))
    hint = str(argument.hint)
    return next((word for kind, word in kinds if argument.hint is kind or kind.__name__ in hint), "VALUE")


def _say_help(argument: cyclopts.Argument) -> str:
    text = " ".join((argument.parameter.help or "").split())
    default = say_default(argument.field_info.default)
    return text if default is None else f"{text} Default: {default}."
