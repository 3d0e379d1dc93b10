"""What the keys of a test mean, and every refusal of one with its whole message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pulseq.models import CommandBody, Priority, SimulateBody, Status, TestCase
from pulseq.suites import one_test

LoadTest = Callable[[str], TestCase]
RefuseTest = Callable[[str], list[str]]

ONE_BODY = "exactly one of command, call, pytest, http, simulate"
PRIORITIES = "one of critical, high, medium, low"
ABOVE_ZERO = "a number of seconds above 0"
SECONDS = "a number of seconds, 0 or more"
COUNT = "a whole number, 0 or more"
ADDRESS = "an address such as http://127.0.0.1:8000/health"
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


@pytest.mark.parametrize(
    ("keys", "key", "found", "expected"),
    [
        ("command: x", "id", "nothing", "this key, which a test needs"),
        ("id: 5, command: x", "id", "5", "text; put it in quotes"),
        ("id: ' ', command: x", "id", "empty text", "text"),
        ("id: a", "", "no body", ONE_BODY),
        ("id: a, comand: x", "comand", "an unknown key", "a key of a test; did you mean 'command'?"),
    ],
)
def test_a_test_is_refused(refuse_test: RefuseTest, keys: str, key: str, found: str, expected: str) -> None:
    assert refuse_test(keys) == [f"{key}: found {found}, expected {expected}"]


def test_hostile_keys_and_values_stay_on_one_short_line(refuse_test: RefuseTest) -> None:
    [unknown, priority] = refuse_test(f'id: a, command: x, "k\\n\\e[1m{"x" * 900}": 1, priority: "\\e{"x" * 10**6}"')
    assert (len(unknown) < 600, len(priority) < 200) == (True, True)
    assert (unknown + priority).isprintable()


def test_a_dict_has_the_keys_of_a_suite_file(tmp_path: Path) -> None:
    mapping = {
        "id": "test1",
        "name": "api_test",
        "command": ["true"],
        "duration": 1.0,
        "priority": "high",
        "requirements": {"os": "linux", "browser": ["chrome", "firefox"]},
        "timeout": 30,
        "max_retries": 3,
        "metrics": ["response_time", "memory_usage"],
        "cwd": "work",
    }
    test, warnings = one_test.test_from_mapping(mapping, base=tmp_path)
    assert warnings == []
    assert test == TestCase(
        id="test1",
        body=CommandBody(("true",)),
        name="api_test",
        requirements={"os": "linux", "browser": ("chrome", "firefox")},
        priority=Priority.HIGH,
        duration=1.0,
        timeout_seconds=30.0,
        max_retries=3,
        metrics=("response_time", "memory_usage"),
        cwd=str(tmp_path / "work"),
    )


@pytest.mark.parametrize(("more", "seconds"), [({"duration": 0.5}, 0.5), ({}, 0.0)])
def test_a_dict_without_a_body_is_simulated_for_its_duration(more: dict[str, float], seconds: float) -> None:
    test, _ = one_test.test_from_mapping({"id": "a", **more}, base=Path())
    assert test.body == SimulateBody(seconds, Status.PASSED)


def test_unknown_keys_of_a_dict_are_labels_with_a_warning_for_a_typo() -> None:
    mapping = {"id": "a", "owner": "me", "timout": 5, "labels": ["ui"]}
    test, warnings = one_test.test_from_mapping(mapping, base=Path())
    assert test.labels == {"owner": "me", "timout": 5, "ui": True}
    assert warnings == ["test 'a': unknown key 'timout' is kept as a label; did you mean 'timeout'?"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "test nothing: id: found nothing, expected this key, which a test needs"),
        (
            {"id": "a", "timeout": -1, "priority": 5},
            "test 'a': timeout: found -1, expected a number of seconds above 0",
        ),
        (
            {"id": "a", "http": {"url": "x"}},
            f"test 'a': http.url: found 'x', expected {ADDRESS}; did you mean 'http://x'?",
        ),
        ({"id": "a", "args": [1]}, "test 'a': args: found this key, expected it only beside call or pytest"),
        (["a"], "found a list, expected a test as a dict"),
    ],
)
def test_a_dict_with_a_bad_value_is_refused_in_one_sentence(mapping: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        one_test.test_from_mapping(mapping, base=Path())
    assert str(refusal.value) == message
