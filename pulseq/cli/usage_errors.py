"""What the parser of the command line refuses, as a sentence with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args, get_origin

import cyclopts

from pulseq.cli.misplaced_options import advise_on_pytest_options, is_pytests
from pulseq.errors import nearest
from pulseq.suites.documents import shorten

#: How commands are called that have options which they cannot do without.
_EXAMPLES = {"pulseq node start": "--scheduler tls://fleet.example:8786 --credentials lab1.pem --id lab1"}
_TYPES = ((int, "a whole number"), (float, "a number"), (bool, "no value, or true or false"))


def word_usage_error(error: cyclopts.CycloptsError, verb: str | None, words: Sequence[str]) -> str:
    """The error in one line.

    Args:
        verb: the command that it is about, where there is one.
        words: what stands behind the verb.
    """
    command = " ".join(("pulseq", *(error.command_chain or ([verb] if verb else []))))
    see = f"(see `{command} --help`)"
    match error:
        case cyclopts.UnknownOptionError():
            option = error.token.keyword or error.token.value
            if verb == "run" and is_pytests(option):
                return f"Unknown option: {option}. {advise_on_pytest_options(words)}"
            return f"Unknown option: {option}.{_hint_at(option, error, verb)} {see}"
        case cyclopts.RepeatArgumentError():
            return f"{error.token.keyword}: found more than once, expected once {see}"
        case cyclopts.MissingArgumentError() if error.keyword:
            return f"{error.keyword}: found nothing behind it, expected its value {see}"
        case cyclopts.MissingArgumentError() if name := error.argument and error.argument.name:
            if name.startswith("-"):
                example = f", as in `{command} {_EXAMPLES[command]}`" if command in _EXAMPLES else ""
                return f"found no {name} behind `{command}`, expected it{example} {see}"
            return f"found nothing behind `{command}`, expected {name} {see}"
        case cyclopts.CoercionError() if error.token is not None and (expected := _describe_type(error.target_type)):
            name = error.token.keyword or (error.argument.name if error.argument else "")
            return f"{name}: found '{shorten(error.token.value)}', expected {expected} {see}"
        case cyclopts.UnusedCliTokensError():
            surplus = ", ".join(f"'{shorten(word)}'" for word in error.unused_tokens or [])
            return f"found {surplus}, which `{command}` does not take {see}"
    return f"{' '.join(str(error).split())} {see}"


def refuse_fractions(_app: cyclopts.App, _commands: Sequence[str], arguments: Iterable[cyclopts.Argument]) -> None:
    """Refuse `1.5` where a whole number is wanted: the parser would round it.

    Raises:
        CoercionError: as the parser does of what is no number.
    """
    for argument in arguments:
        if int in (argument.hint, *get_args(argument.hint)):
            for token in argument.tokens:
                if "." in token.value:
                    raise cyclopts.CoercionError(argument=argument, token=token, target_type=int)


def _describe_type(kind: object) -> str | None:
    """What a value of an option's type looks like; None for types of which the parser's own words are the better."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    return next((text for known, text in _TYPES if kind is known), None)


def _hint_at(option: str, error: cyclopts.UnknownOptionError, verb: str | None) -> str:
    known = [name for argument in error.argument_collection if argument.parse for name in argument.names]
    known = [name for name in known if name.startswith("-")]
    near = nearest(option.partition("=")[0].lstrip("-"), [name.lstrip("-") for name in known])
    if near is not None:
        return f" Did you mean {next(name for name in known if name.lstrip('-') == near)}?"
    return " One of a plug-in of pytest's goes after `--`." if verb == "run" else ""
