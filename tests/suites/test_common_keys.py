"""What the keys mean that every test may have, and every refusal of one with its whole message."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.models import Priority, TestCase

LoadTest = Callable[[str], TestCase]
RefuseTest = Callable[[str], list[str]]

PRIORITIES = "one of critical, high, medium, low"
ABOVE_ZERO = "a number of seconds above 0"
SECONDS = "a number of seconds, 0 or more"
COUNT = "a whole number, 0 or more"
SIZE = "a size such as 512MB or 2GiB"


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("name: b", "priority", Priority.MEDIUM),
        ("priority: Critical", "priority", Priority.CRITICAL),
        ("retry_delay: 2", "retry_delay_seconds", 2.0),
        ("timeout: 0.5", "timeout_seconds", 0.5),
        ("memory_limit: 512MB", "memory_limit", 512_000_000),
        ("output_limit: 1MiB", "output_limit", 1_048_576),
        ("output_limit: 1000", "output_limit", 1000),
        ("labels: [slow, ui]", "labels", {"slow": True, "ui": True}),
        ("labels: {owner: me, level: 1.5}", "labels", {"owner": "me", "level": 1.5}),
        ("env: {A: no, B: 1.10, C: true, D: 007}", "env", {"A": "no", "B": "1.10", "C": "true", "D": "007"}),
        ("requirements: {python: 3.10, cpu: 2.5}", "requirements", {"python": "3.10", "cpu": 2.5}),
        ("requirements: {ios: 17.10, b: [a, b]}", "requirements", {"ios": "17.10", "b": ("a", "b")}),
        ("python: python3.9", "python", "python3.9"),
        ("name: a price", "name", "a price"),
    ],
)
def test_a_key_means(load_test: LoadTest, keys: str, field: str, value: object) -> None:
    assert getattr(load_test(f"command: x, {keys}"), field) == value


@pytest.mark.parametrize(
    ("keys", "key", "found", "expected"),
    [
        ("priority: hihg", "priority", "'hihg'", f"{PRIORITIES}; did you mean 'high'?"),
        ("priority: 1", "priority", "1", PRIORITIES),
        ("timeout: 0", "timeout", "0", ABOVE_ZERO),
        ("timeout: '5'", "timeout", "'5'", f"{ABOVE_ZERO}, without quotes"),
        ("timeout: 5s", "timeout", "'5s'", f"{ABOVE_ZERO}, without a unit"),
        ("timeout: soon", "timeout", "'soon'", ABOVE_ZERO),
        (
            "memory_limit: 512",
            "memory_limit",
            "512, which is 512 bytes",
            "a size such as 512MB or 2GiB",
        ),
        ("timeout: .nan", "timeout", "nan", ABOVE_ZERO),
        ("timeout: true", "timeout", "true", ABOVE_ZERO),
        ("duration: -1", "duration", "-1", SECONDS),
        ("retry_delay: []", "retry_delay", "an empty list", SECONDS),
        ("max_retries: 1.5", "max_retries", "1.5", COUNT),
        ("max_retries: -1", "max_retries", "-1", COUNT),
        ("metrics: time", "metrics", "'time'", "a list of metrics' names; did you mean '[time]'?"),
        ("env: [A]", "env", "a list", "a mapping of names to values, such as {MODE: fast}"),
        ("env: {A: }", "env.A", "nothing", "text or a number"),
        ("env: {A=B: c}", "env.A=B", "this name", "the name of an environment variable"),
        ('env: {A: "\\0"}', "env.A", "text with a NUL character", "text without one"),
        ("memory_limit: lots", "memory_limit", "'lots'", SIZE),
        ("labels: 5", "labels", "5", "a list of labels, or a mapping"),
        ("labels: {a: []}", "labels.a", "an empty list", "text, a number, true or false"),
        ("requirements: {'': linux}", "requirements.", "empty text", "text"),
        (
            "requirements: chrome",
            "requirements",
            "'chrome'",
            "a mapping of capabilities to what is required of them, such as {os: linux}",
        ),
        (
            "requirements: {memory: '=>8GB'}",
            "requirements.memory",
            "'=>8GB'",
            "one of >= <= > < == != and then a value; did you mean '>=8GB'?",
        ),
    ],
)
def test_a_value_is_refused(refuse_test: RefuseTest, keys: str, key: str, found: str, expected: str) -> None:
    assert refuse_test(f"id: a, command: x, {keys}") == [f"{key}: found {found}, expected {expected}"]
