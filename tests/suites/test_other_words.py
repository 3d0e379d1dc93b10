"""A key as other tools have it, or in the wrong place, is told with the one that means the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pulseq.errors import ConfigurationError
from pulseq.node.machine import read_machine
from pulseq.suites.common_keys import DefaultKeys
from pulseq.suites.nodes_file import load_fleet
from pulseq.suites.other_words import _CAPABILITIES, _PLACES, _WORDS, translate

TEST_KEYS = (
    "id",
    "name",
    "labels",
    "command",
    "call",
    "pytest",
    "http",
    "simulate",
    "args",
    "kwargs",
    *DefaultKeys.kinds(),
)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("tags", "labels"),
        ("markers", "labels"),
        ("cmd", "command"),
        ("retries", "max_retries"),
        ("workdir", "cwd"),
        ("working-directory", "cwd"),
        ("Environment", "env"),
        ("url", "http.url"),
        ("memory", "requirements.memory"),
        ("browser", "requirements.browser"),
        ("matrix", None),
        ("needs", None),
        ("locks", None),
    ],
)
def test_a_key_of_a_test_means(key: str, meant: str | None) -> None:
    assert meant == translate(key, TEST_KEYS)


def test_a_word_means_nothing_where_its_key_is_not_known() -> None:
    assert translate("tags", ("suite", "defaults", "tests")) is None


def test_a_key_of_the_defaults_belongs_under_them() -> None:
    assert translate("timeout", ("suite", "defaults", "tests")) == "defaults.timeout"
    assert set(_PLACES["defaults"]) == set(DefaultKeys.kinds())


def test_what_is_read_off_the_machine_is_a_capability() -> None:
    assert set(read_machine()) - {"python"} <= set(_CAPABILITIES)


def test_no_word_stands_for_itself() -> None:
    assert [meant for meant, others in _WORDS.items() if meant in others] == []


def test_the_message_has_the_key_that_is_meant(
    write: Callable[..., Path], refuse_test: Callable[[str], list[str]]
) -> None:
    assert refuse_test("id: a, command: x, tags: [slow]") == [
        "tags: found an unknown key, expected a key of a test; did you mean 'labels'?"
    ]
    assert refuse_test("id: a, url: 'http://x'") == [
        "url: found an unknown key, expected a key of a test; did you mean 'http.url'?"
    ]
    with pytest.raises(ConfigurationError) as refusal:
        load_fleet(write("nodes: [{id: a, slots: 2, tags: [x]}]\nheartbeat_interval: 5\n", "nodes.yaml"))
    assert str(refusal.value).splitlines() == [
        f"nodes.yaml:{line}: {key}: found an unknown key, expected a key of {thing}; did you mean {meant!r}?"
        for line, key, thing, meant in (
            (1, "nodes[0].slots", "a node", "max_concurrent_tests"),
            (1, "nodes[0].tags", "a node", "capabilities"),
            (2, "heartbeat_interval", "a nodes file", "framework.heartbeat_interval"),
        )
    ]
