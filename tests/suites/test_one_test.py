"""A test as a whole, from a file and from a dict, and every refusal of one with its whole message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pulseq.models import CommandBody, Priority, SimulateBody, Status, TestCase
from pulseq.suites import one_test

RefuseTest = Callable[[str], list[str]]

ONE_BODY = "exactly one of command, call, pytest, http, simulate"
ADDRESS = "an address such as http://127.0.0.1:8000/health"


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
