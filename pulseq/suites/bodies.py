"""What a test runs: exactly one of command, call, pytest, http, simulate, with the keys beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pulseq.models import Body, CallBody, CommandBody, HttpBody, PytestBody, SimulateBody, Status
from pulseq.suites.documents import Flaw, Flawed, describe, shorten
from pulseq.suites.readers import (
    Reader,
    T,
    list_of,
    mapping_of,
    one_of,
    read_flag,
    read_keys,
    read_positive_seconds,
    read_seconds,
    read_text,
    read_written,
    whole_number,
)
from pulseq.suites.shell_signs import find_shell_sign

KINDS = ("command", "call", "pytest", "http", "simulate")
#: Keys that belong to some bodies only, and to which.
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "args": ("call", "pytest"),
    "kwargs": ("call",),
    "shell": ("command",),
    "junit": ("command",),
}
_TARGET = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_METHOD = re.compile(r"[A-Za-z]{1,20}")
_read_texts = list_of(read_text, "text or a list of texts")


def read_body(test: Mapping[str, Any]) -> Body | None:
    """The body that a test's mapping names; None where it names none.

    Raises:
        Flawed: it names more than one, or one that cannot be read.
    """
    kinds = [kind for kind in KINDS if kind in test]
    if len(kinds) > 1:
        found = " and ".join((", ".join(kinds[:-1]), kinds[-1]))
        raise Flawed.at(f"{len(kinds)} bodies ({found})", f"exactly one of {', '.join(KINDS)}")
    flaws = [
        Flaw((key,), f"this key beside {kinds[0]}" if kinds else "this key", _say_where(key, owners, kinds))
        for key, owners in COMPANIONS.items()
        if key in test and not set(kinds) & set(owners)
    ]
    body: Body | None = None
    if kinds:
        try:
            body = _READERS[kinds[0]](test)
        except Flawed as error:
            flaws += error.flaws
    if flaws:
        raise Flawed(flaws)
    return body


def _say_where(key: str, owners: Sequence[str], kinds: Sequence[str]) -> str:
    others = "; a command's arguments stand behind its program" if key == "args" and kinds == ["command"] else ""
    return f"it only beside {' or '.join(owners)}{others}"


def _read_command(test: Mapping[str, Any]) -> CommandBody:
    values = read_keys(
        {key: test[key] for key in ("shell", "junit") if key in test},
        {"shell": read_flag, "junit": read_text},
        thing="a command",
    ).finish()
    shell = values.get("shell", False)
    return CommandBody(
        _under("command", read_line if shell else read_argv, test["command"]), shell, values.get("junit")
    )


def read_line(value: Any) -> tuple[str, ...]:
    """A line for a shell, as the one element of an argv."""
    if isinstance(value, (list, tuple)):
        raise Flawed.at("a list", "one line of text, as shell is true")
    return (read_text(value).strip(),)


def read_argv(value: Any) -> tuple[str, ...]:
    """A program and its arguments: a list, or text that is split as a shell would split it."""
    if isinstance(value, str):
        argv = split_line(_refuse_shell_signs(value))
    else:
        argv = list_of(read_written, "a list of a program and its arguments, or a line of text")(value)
    if not argv or not argv[0].strip():
        raise Flawed.at("no program", "a program and its arguments")
    return argv


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


def split_line(value: str) -> tuple[str, ...]:
    """Split text as a shell would."""
    try:
        return tuple(shlex.split(read_written(value)))
    except ValueError as error:
        if isinstance(error, Flawed):
            raise
        why = str(error).lower()
        raise Flawed.at(f"{describe(value)} ({why})", "text that a shell could split") from None


def read_arguments(value: Any) -> tuple[str, ...]:
    """Arguments for a program: a list, or text that is split as a shell would split it."""
    return split_line(value) if isinstance(value, str) else list_of(read_written, "a list of arguments")(value)


def _read_call(test: Mapping[str, Any]) -> CallBody:
    readers: dict[str, Reader[Any]] = {
        "call": _read_target,
        "args": list_of(read_plain, "a list of values"),
        "kwargs": mapping_of(read_plain, "a mapping of names to values"),
    }
    values = read_keys({key: test[key] for key in readers if key in test}, readers, thing="a call").finish()
    return CallBody(values["call"], values.get("args", ()), values.get("kwargs", {}))


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
        return mapping_of(read_plain, "a mapping")(value)
    if isinstance(value, (list, tuple)):
        return list(list_of(read_plain, "a list")(value))
    if isinstance(value, float):
        return float(value)
    if value is None or isinstance(value, (str, int)):
        return value
    raise Flawed.at(describe(value), "text, a number, true, false, a list or a mapping")


def _read_pytest(test: Mapping[str, Any]) -> PytestBody:
    readers: dict[str, Reader[Any]] = {"pytest": _read_targets, "args": read_arguments}
    values = read_keys({key: test[key] for key in readers if key in test}, readers, thing="a pytest entry").finish()
    return PytestBody(values["pytest"], values.get("args", ()))


def _read_targets(value: Any) -> tuple[str, ...]:
    targets = (read_text(value),) if isinstance(value, str) else _read_texts(value)
    if not targets:
        raise Flawed.at("an empty list", "a path, a node id or a list of them")
    return targets


def _read_http(test: Mapping[str, Any]) -> HttpBody:
    return _under("http", _read_request, test["http"])


def _read_request(value: Any) -> HttpBody:
    if isinstance(value, str):
        raise Flawed.at(describe(value), f"a mapping, such as {{url: '{shorten(value)}'}}")
    readers: dict[str, Reader[Any]] = {
        "url": _read_url,
        "method": _read_method,
        "headers": mapping_of(read_written, "a mapping of names to values"),
        "body": read_written,
        "expect_status": _read_statuses,
        "expect_text": read_text,
        "max_seconds": read_positive_seconds,
    }
    return HttpBody(**read_keys(value, readers, required=["url"], thing="http").finish())


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


def _read_statuses(value: Any) -> tuple[int, ...]:
    read_status = whole_number(100, 599)
    if isinstance(value, (list, tuple)) and value:
        return list_of(read_status, "a list of statuses")(value)
    return (read_status(value),)


def _read_simulate(test: Mapping[str, Any]) -> SimulateBody:
    return _under("simulate", _read_stand_in, test["simulate"])


def _read_stand_in(value: Any) -> SimulateBody:
    readers: dict[str, Reader[Any]] = {
        "duration": read_seconds,
        "outcome": one_of({status.value: status for status in Status}),
    }
    return SimulateBody(**read_keys(value, readers, thing="simulate").finish())


def _under(key: str, reader: Reader[T], value: Any) -> T:
    try:
        return reader(value)
    except Flawed as error:
        raise Flawed(flaw.below(key) for flaw in error.flaws) from None


_READERS: Mapping[str, Reader[Body]] = {
    "command": _read_command,
    "call": _read_call,
    "pytest": _read_pytest,
    "http": _read_http,
    "simulate": _read_simulate,
}
