"""Suites from files: what every key means, and every refusal with its whole message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import ConfigurationError, NothingToRunError
from pulseq.models import CallBody, CommandBody, HttpBody, Priority, PytestBody, SimulateBody, Status, TestCase
from pulseq.suites.suite_file import load_suite

CONTRACT = """\
suite: checkout
defaults: {timeout: 30, max_retries: 1, requirements: {os: linux}}
tests:
  - id: cart-total
    command: [python, -c, "print('ok')"]
    requirements: {browser: chrome, memory: ">=4GB"}
    priority: high
    duration: 1.5
    metrics: [response_time, memory_usage]
    env: {MODE: fast}
    cwd: .
  - id: script
    command: "a && b"
    shell: true
  - {id: price, call: "shop.checks:price_is_right", args: [3], kwargs: {currency: EUR}}
  - {id: unit, pytest: tests/unit, args: ["-m", "not slow"]}
  - {id: java, command: [./gradlew, test], junit: "build/test-results/**/*.xml"}
  - {id: alive, http: {url: "http://127.0.0.1:8000/health", method: GET, expect_status: 200, max_seconds: 1}}
  - {id: load, simulate: {duration: 0.5, outcome: passed}}
"""


def test_the_contract_s_suite_loads(write: Any) -> None:
    suite = load_suite(write(CONTRACT))
    assert (suite.name, suite.source) == ("checkout", "suite.yaml")
    assert suite.tests[0] == TestCase(
        id="cart-total",
        body=CommandBody(("python", "-c", "print('ok')")),
        name="cart-total",
        requirements={"os": "linux", "browser": "chrome", "memory": ">=4GB"},
        priority=Priority.HIGH,
        duration=1.5,
        timeout_seconds=30.0,
        max_retries=1,
        metrics=("response_time", "memory_usage"),
        env={"MODE": "fast"},
        cwd=str(Path.cwd()),
        location="suite.yaml:4",
    )
    assert [test.body for test in suite.tests[1:]] == [
        CommandBody(("a && b",), shell=True),
        CallBody("shop.checks:price_is_right", (3,), {"currency": "EUR"}),
        PytestBody(("tests/unit",), ("-m", "not slow")),
        CommandBody(("./gradlew", "test"), junit="build/test-results/**/*.xml"),
        HttpBody("http://127.0.0.1:8000/health", max_seconds=1.0),
        SimulateBody(0.5, Status.PASSED),
    ]


def test_toml_has_the_same_keys(write: Any) -> None:
    text = """\
    suite = "checkout"
    [[tests]]
    id = "a"
    command = ["true"]
    requirements = {python = 3.10}
    """
    test = load_suite(write(text, "x.toml")).tests[0]
    assert (test.body, test.requirements, test.location) == (CommandBody(("true",)), {"python": "3.10"}, "x.toml:2")


def test_a_suite_without_a_name_is_called_like_its_file(write: Any) -> None:
    assert load_suite(write("tests: [{id: a, simulate: {}}]", "smoke.yaml")).name == "smoke"


def test_paths_are_relative_to_the_suite_file(write: Any, tmp_path: Path) -> None:
    text = "defaults: {cwd: work, python: .venv/bin/python}\ntests: [{id: a, command: x}, {id: b, command: x, cwd: /}]"
    tests = load_suite(write(text, "deep/suite.yaml")).tests
    assert [test.cwd for test in tests] == [str(tmp_path / "deep/work"), "/"]
    assert tests[0].python == str(tmp_path / "deep/.venv/bin/python")


def test_requirements_and_env_are_merged_with_the_defaults_and_the_rest_replaced(write: Any) -> None:
    text = """\
    defaults: {requirements: {os: linux, gpu: true}, env: {A: x, B: x}, metrics: [m], max_retries: 3, priority: low}
    tests:
      - {id: a, command: x, requirements: {os: macos}, env: {B: y}, metrics: [], max_retries: 0}
    """
    test = load_suite(write(text)).tests[0]
    assert test.requirements == {"os": "macos", "gpu": True}
    assert test.env == {"A": "x", "B": "y"}
    assert (test.metrics, test.max_retries, test.priority) == ((), 0, Priority.LOW)


@pytest.mark.parametrize("tests", ["tests: []", "tests:"])
def test_a_suite_without_tests_has_nothing_to_run(write: Any, tests: str) -> None:
    with pytest.raises(NothingToRunError) as refusal:
        load_suite(write(f"suite: x\n{tests}\n"))
    assert str(refusal.value) == "'suite.yaml' has no tests: add one under its key tests"


def test_a_test_is_a_mapping(write: Any) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_suite(write("tests: [5]"))
    expected = "suite.yaml:1: tests[0]: found 5, expected a test, as a mapping of keys to values"
    assert str(refusal.value) == expected


@pytest.mark.parametrize(
    ("tests", "found"), [("{a: {command: x}}", "a mapping"), ("{}", "an empty mapping"), ("false", "false")]
)
def test_tests_are_a_list(write: Any, tests: str, found: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_suite(write(f"suite: x\ntests: {tests}"))
    assert str(refusal.value) == f"suite.yaml:2: tests: found {found}, expected a list of tests, with '- ' before each"


def test_an_unknown_key_without_a_near_one_is_told_all_there_are(write: Any) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_suite(write("tests: [{id: a, command: x}]\nzzz: 1"))
    known = "suite, defaults, project, artifacts_limit, tests"
    expected = f"suite.yaml:2: zzz: found an unknown key, expected a key of a suite: {known}"
    assert str(refusal.value) == expected


def test_all_problems_are_told_at_once_in_the_order_of_the_file(write: Any) -> None:
    text = """\
    sute: x
    defaults: {timeot: 3, id: a, max_retries: x}
    tests:
      - id: a
        command: x
      - id: a
        command: y
        timeout: 1
        timeout: 2
      - {id: b, call: c, args: 3}
    """
    with pytest.raises(ConfigurationError) as refusal:
        load_suite(write(text))
    assert str(refusal.value).splitlines() == [
        "suite.yaml:1: sute: found an unknown key, expected a key of a suite; did you mean 'suite'?",
        "suite.yaml:2: defaults.timeot: found an unknown key, expected a key of defaults; did you mean 'timeout'?",
        "suite.yaml:2: defaults.id: found an unknown key, expected a key of defaults: timeout, max_retries, "
        "retry_delay, requirements, priority, metrics, env, cwd, python, memory_limit, output_limit, artifacts, "
        "artifacts_of, artifacts_limit",
        "suite.yaml:2: defaults.max_retries: found 'x', expected a whole number, 0 or more",
        "suite.yaml:6: tests[1].id: found 'a' again, expected an id that no other test has; the first is at line 4",
        "suite.yaml:9: tests[1].timeout: found the key 'timeout' again, expected each key once; the first is at line 8",
        "suite.yaml:10: tests[2].call: found 'c', expected a callable as 'module:function'",
        "suite.yaml:10: tests[2].args: found 3, expected a list of values",
    ]
