"""What a test runs: exactly one of command, call, pytest, http, simulate, with the keys beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pulseq.models import Body, CallBody, CommandBody, HttpBody, PytestBody, SimulateBody, Status
from pulseq.suites.common_keys import COMPANIONS, KINDS, TestKeys
from pulseq.suites.documents import Flaw, Flawed, describe, shorten
from pulseq.suites.schema import Expected, Keys, ReadBy, read
from pulseq.suites.shell_signs import find_shell_sign
from pulseq.suites.values import (
    Flag,
    MapKey,
    PositiveSeconds,
    Seconds,
    Text,
    Written,
    one_of,
    read_text,
    read_written,
)

_ONE_BODY = f"exactly one of {', '.join(KINDS)}"
_TARGET = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_METHOD = re.compile(r"[A-Za-z]{1,20}")


def _read_line(value: Any) -> tuple[str, ...]:
    """A line for a shell, as the one element of an argv."""
    if isinstance(value, (list, tuple)):
        raise Flawed.at("a list", "one line of text, as shell is true")
    return (read_text(value).strip(),)


def _read_argv(value: Any) -> tuple[str, ...]:
    """A program and its arguments: a list, or text that is split as a shell would split it."""
    argv = _split_line(_refuse_shell_signs(value)) if isinstance(value, str) else read(_Argv, value)
    if not argv or not argv[0].strip():
        raise Flawed.at("no program", "a program and its arguments")
    return argv


_Argv = Annotated[tuple[Written, ...], Expected("a list of a program and its arguments, or a line of text")]


def _refuse_shell_signs(line: str) -> str:
    """The line, unless it means something else to a shell: without one it would pass for the wrong reason."""
    sign = find_shell_sign(line)
    if sign == "\n":
        raise Flawed.at(
            f"{line.strip().count(sign) + 1} lines, but no shell that reads them",
            "shell: true beside them, or one line, or a list of a program and its arguments",
        )
    if sign is not None:
        raise Flawed.at(
            f"'{sign}' in {describe(line)}, but no shell that reads it",
            f"shell: true beside it, or a list of arguments (or quotes around '{sign}') if it is meant as one",
        )
    return line


def _split_line(value: str) -> tuple[str, ...]:
    """Split text as a shell would."""
    line = read_written(value)
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        why = str(error).lower()
        raise Flawed.at(f"{describe(value)} ({why})", "text that a shell could split") from None


class CommandKeys(TestKeys):
    command: Annotated[tuple[str, ...], ReadBy(_read_argv)]
    shell: Flag
    junit: Text


class ShellKeys(CommandKeys):
    command: Annotated[tuple[str, ...], ReadBy(_read_line)]


def _read_target(value: Any) -> str:
    target = read_text(value)
    if not _TARGET.fullmatch(target):
        dotted = target.removesuffix(".py").replace(".py:", ":").replace("/", ".")
        meant = dotted if ":" in dotted else ":".join(dotted.rsplit(".", 1))
        suggestion = meant if _TARGET.fullmatch(meant) else None
        raise Flawed.at(describe(value), "a callable as 'module:function'", suggestion=suggestion)
    return target


def read_plain(value: Any) -> Any:
    """Values that any interpreter can be sent: text, numbers, flags, nothing, lists and mappings."""
    if isinstance(value, Mapping):
        return read(dict[MapKey, Plain], value)
    if isinstance(value, (list, tuple)):
        return read(list[Plain], value)
    if isinstance(value, float):
        return float(value)
    if value is None or isinstance(value, (str, int)):
        return value
    raise Flawed.at(describe(value), "text, a number, true, false, a list or a mapping")


Plain = Annotated[Any, ReadBy(read_plain)]


class CallKeys(TestKeys):
    call: Annotated[str, ReadBy(_read_target)]
    args: Annotated[tuple[Plain, ...], Expected("a list of values")]
    kwargs: Annotated[dict[MapKey, Plain], Expected("a mapping of names to values")]


def _read_targets(value: Any) -> tuple[str, ...]:
    targets = (read_text(value),) if isinstance(value, str) else read(_Targets, value)
    if not targets:
        raise Flawed.at("an empty list", "a path, a node id or a list of them")
    return tuple(targets)


_Targets = Annotated[tuple[Text, ...], Expected("text or a list of texts")]


def _read_arguments(value: Any) -> tuple[str, ...]:
    """Arguments for a program: a list, or text that is split as a shell would split it."""
    return _split_line(value) if isinstance(value, str) else tuple(read(_Arguments, value))


_Arguments = Annotated[tuple[Written, ...], Expected("a list of arguments")]


class PytestKeys(TestKeys):
    pytest: Annotated[tuple[str, ...], ReadBy(_read_targets)]
    args: Annotated[tuple[str, ...], ReadBy(_read_arguments)]


def _read_url(value: Any) -> str:
    url = read_text(value)
    expected = "an address such as http://127.0.0.1:8000/health"
    try:
        parts = urlsplit(url)
        port_is_number = parts.port is None or parts.port > 0
    except ValueError as error:
        raise Flawed.at(f"{describe(value)} ({error})", expected) from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or not port_is_number:
        meant = None if "://" in url or any(map(str.isspace, url)) else f"http://{shorten(url)}"
        raise Flawed.at(describe(value), expected, suggestion=meant)
    if any(character.isspace() or not character.isprintable() for character in url):
        raise Flawed.at(describe(value), f"{expected}, without spaces")
    return url


def _read_method(value: Any) -> str:
    method = read_text(value)
    if not _METHOD.fullmatch(method):
        raise Flawed.at(describe(value), "a method such as GET")
    return method.upper()


_Status = Annotated[int, Expected("a whole number from 100 to 599", ge=100, le=599)]


def _read_statuses(value: Any) -> tuple[int, ...]:
    if isinstance(value, (list, tuple)) and value:
        return tuple(read(tuple[_Status, ...], value))
    return (read(_Status, value),)


class RequestKeys(Keys, thing="http", needs=("url",)):
    url: Annotated[str, ReadBy(_read_url)]
    method: Annotated[str, ReadBy(_read_method)]
    headers: Annotated[dict[MapKey, Written], Expected("a mapping of names to values")]
    body: Written
    expect_status: Annotated[tuple[int, ...], ReadBy(_read_statuses)]
    expect_text: Text
    max_seconds: PositiveSeconds


def _read_request(value: Any) -> Any:
    if isinstance(value, str):
        raise Flawed.at(describe(value), f"a mapping, such as {{url: '{shorten(value)}'}}")
    return read(RequestKeys, value)


class HttpKeys(TestKeys):
    http: Annotated[dict[str, Any], ReadBy(_read_request)]


class StandInKeys(Keys, thing="simulate"):
    duration: Seconds
    outcome: Annotated[Status, ReadBy(one_of({status.value: status for status in Status}))]


class SimulateKeys(TestKeys):
    simulate: StandInKeys


_KEYS: Mapping[str, type[TestKeys]] = dict(
    zip(KINDS, (CommandKeys, CallKeys, PytestKeys, HttpKeys, SimulateKeys), strict=True)
)
_BODIES: Mapping[str, Callable[..., Body]] = dict(
    zip(KINDS, (CommandBody, CallBody, PytestBody, HttpBody, SimulateBody), strict=True)
)


def read_test(test: Any, *, needs_body: bool = True) -> tuple[dict[str, Any], Body]:
    """What is written of a test, and its body; where it has and needs none, a stand-in for its duration.

    Raises:
        Flawed: with all that is wrong with it.
    """
    if not isinstance(test, Mapping):
        return read(TestKeys, test), SimulateBody()  # which refuses it
    kinds = [kind for kind in KINDS if kind in test]
    keys = _KEYS[kinds[0]] if len(kinds) == 1 else TestKeys
    if keys is CommandKeys and test.get("shell") not in (None, False):
        keys = ShellKeys
    elsewhere = [key for key in (*KINDS, *COMPANIONS) if key in test and key not in keys.kinds()]
    flaws: list[Flaw] = []
    values: dict[str, Any] = {}
    try:
        values = read(keys, {key: test[key] for key in test if key not in elsewhere} if elsewhere else test)
    except Flawed as error:
        flaws += error.flaws
    if len(kinds) > 1:
        found = " and ".join((", ".join(kinds[:-1]), kinds[-1]))
        flaws.append(Flaw((), f"{len(kinds)} bodies ({found})", _ONE_BODY))
    elif elsewhere:
        flaws += [_send_away(key, kinds) for key in elsewhere]
    elif needs_body and not kinds and not any((flaw.suggestion or "").split(".")[0] in KINDS for flaw in flaws):
        flaws.append(Flaw((), "no body", _ONE_BODY))
    if flaws:
        raise Flawed(flaws)
    return values, _make(kinds[0], values) if kinds else SimulateBody(values.get("duration", 0.0))


def _make(kind: str, values: Mapping[str, Any]) -> Body:
    what, beside = values[kind], {key: values[key] for key in COMPANIONS if key in values}
    return _BODIES[kind](**what) if isinstance(what, dict) else _BODIES[kind](what, **beside)


def _send_away(key: str, kinds: Sequence[str]) -> Flaw:
    others = "; a command's arguments stand behind its program" if key == "args" and kinds == ["command"] else ""
    found = f"this key beside {kinds[0]}" if kinds else "this key"
    return Flaw((key,), found, f"it only beside {' or '.join(COMPANIONS[key])}{others}")
