"""What the bodies of a test mean, and every refusal of one with its whole message."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.models import Body, CallBody, CommandBody, HttpBody, PytestBody, SimulateBody, TestCase

LoadTest = Callable[[str], TestCase]
RefuseTest = Callable[[str], list[str]]

ONE_BODY = "exactly one of command, call, pytest, http, simulate"
ABOVE_ZERO = "a number of seconds above 0"
ADDRESS = "an address such as http://127.0.0.1:8000/health"
BEHIND = "a command's arguments stand behind its program"
OUTCOMES = "one of passed, failed, error, skipped"


def two_ways(sign: str) -> str:
    return f"shell: true beside it, or a list of arguments (or quotes around '{sign}') if it is meant as one"


@pytest.mark.parametrize(
    ("keys", "body"),
    [
        ("command: \"a 'b c' '$D' \\\\;\"", CommandBody(("a", "b c", "$D", ";"))),
        ("command: [a, '&&', $D]", CommandBody(("a", "&&", "$D"))),
        ("command: 'a && $D', shell: true", CommandBody(("a && $D",), shell=True)),
        ("command: [sleep, 5, 1.50, true]", CommandBody(("sleep", "5", "1.50", "true"))),
        ("pytest: [a, b::c], args: '-k \"x or y\"'", PytestBody(("a", "b::c"), ("-k", "x or y"))),
        ("call: 'a.b:C.d', args: [1.5, {x: [null]}]", CallBody("a.b:C.d", (1.5, {"x": [None]}))),
        (
            "http: {url: 'https://[::1]:8/x', expect_status: [200, 204]}",
            HttpBody("https://[::1]:8/x", expect_status=(200, 204)),
        ),
        (
            "http: {url: 'http://x', method: post, headers: {A: 1}, body: b, expect_text: c}",
            HttpBody("http://x", "POST", {"A": "1"}, "b", expect_text="c"),
        ),
        ("simulate: {}", SimulateBody()),
        ("command: ' a && b\n', shell: true", CommandBody(("a && b",), shell=True)),
        ("command: a, shell: false, junit: '*.xml'", CommandBody(("a",), junit="*.xml")),
    ],
)
def test_a_body_means(load_test: LoadTest, keys: str, body: Body) -> None:
    assert load_test(keys).body == body


@pytest.mark.parametrize(
    ("keys", "key", "found", "expected"),
    [
        ("command: x, call: 'a:b'", "", "2 bodies (command and call)", ONE_BODY),
        ("command: []", "command", "no program", "a program and its arguments"),
        ("command: ''", "command", "no program", "a program and its arguments"),
        ("command: [[a]]", "command[0]", "a list", "text or a number"),
        ("command: {}", "command", "an empty mapping", "a list of a program and its arguments, or a line of text"),
        ('command: "a \'b"', "command", "'a 'b' (no closing quotation)", "text that a shell could split"),
        (
            "command: echo a && false",
            "command",
            "'&&' in 'echo a && false', but no shell that reads it",
            two_ways("&&"),
        ),
        ("command: a $D, shell: false", "command", "'$D' in 'a $D', but no shell that reads it", two_ways("$D")),
        (
            'command: "a\\nb\\n"',
            "command",
            "2 lines, but no shell that reads them",
            "shell: true beside them, or one line, or a list of a program and its arguments",
        ),
        ("command: [a], shell: true", "command", "a list", "one line of text, as shell is true"),
        ("command: a, shell: 1", "shell", "1", "true or false"),
        ("call: 'a:b', junit: x", "junit", "this key beside call", "it only beside command"),
        ("command: x, args: []", "args", "this key beside command", f"it only beside call or pytest; {BEHIND}"),
        ("call: a.b", "call", "'a.b'", "a callable as 'module:function'; did you mean 'a:b'?"),
        ("call: a/b.py:c.d", "call", "'a/b.py:c.d'", "a callable as 'module:function'; did you mean 'a.b:c.d'?"),
        ("call: a-b", "call", "'a-b'", "a callable as 'module:function'"),
        ("call: 'a:b', args: 3", "args", "3", "a list of values"),
        ("call: 'a:b', kwargs: []", "kwargs", "an empty list", "a mapping of names to values"),
        ("pytest: []", "pytest", "an empty list", "a path, a node id or a list of them"),
        ("pytest: 5", "pytest", "5", "text or a list of texts"),
        ("http: {}", "http.url", "nothing", "this key, which http needs"),
        ("http: 'http://x'", "http", "'http://x'", "a mapping, such as {url: 'http://x'}"),
        ("http: {url: 'x:80/y'}", "http.url", "'x:80/y'", f"{ADDRESS}; did you mean 'http://x:80/y'?"),
        ("http: {url: 'ftp://x'}", "http.url", "'ftp://x'", ADDRESS),
        ("http: {url: 'http://x:99999'}", "http.url", "'http://x:99999' (Port out of range 0-65535)", ADDRESS),
        ("http: {url: 'http://x/ y'}", "http.url", "'http://x/ y'", f"{ADDRESS}, without spaces"),
        ("http: {url: 'http://x', method: 'A B'}", "http.method", "'A B'", "a method such as GET"),
        ("http: {url: 'http://x', expect_status: 20}", "http.expect_status", "20", "a whole number from 100 to 599"),
        ("http: {url: 'http://x', max_seconds: 0}", "http.max_seconds", "0", ABOVE_ZERO),
        ("simulate: {outcome: pass}", "simulate.outcome", "'pass'", f"{OUTCOMES}; did you mean 'passed'?"),
        ("simulate: 5", "simulate", "5", "simulate, as a mapping of keys to values"),
    ],
)
def test_a_body_is_refused(refuse_test: RefuseTest, keys: str, key: str, found: str, expected: str) -> None:
    assert refuse_test(f"id: a, {keys}") == [f"{key}: found {found}, expected {expected}"]
