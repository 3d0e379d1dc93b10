"""The addresses that deployments may use, with every refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import ConfigurationError
from pulseq.suites.schedulers_file import AUTOMATIC, AllowedSchedulers, load_schedulers

LAB = "schedulers: {lab: 'tcp://10.0.0.5:8786', attic: 'tls://attic.example:8786', six: 'tcp://[::1]:1'}"


def load(write: Any, text: str) -> AllowedSchedulers:
    return load_schedulers(Path(write(text, "schedulers.yaml")))


def test_a_choice_has_the_names_and_stands_for_the_addresses(write: Any) -> None:
    allowed = load(write, LAB)

    assert [AUTOMATIC, "lab", "attic", "six"] == allowed.names
    assert ["tcp://10.0.0.5:8786", None] == [allowed.address_of(name) for name in ("lab", AUTOMATIC)]


@pytest.mark.parametrize(("given", "taken"), [("lab", "lab"), (AUTOMATIC, AUTOMATIC), ("", AUTOMATIC)])
def test_what_is_offered_may_be_chosen(write: Any, given: str, taken: str) -> None:
    assert taken == load(write, LAB).check(given)


@pytest.mark.parametrize("name", ["tcp://10.0.0.5:8786", "tcp://evil.example:8786", "Lab", " "])
def test_an_address_and_any_other_text_is_refused(write: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r"expected one of automatic, lab, attic, six: .*schedulers\.yaml says"):
        load(write, LAB).check(name)


def test_without_a_file_none_may_be_used(tmp_path: Path) -> None:
    assert [AUTOMATIC] == load_schedulers(tmp_path / "schedulers.yaml").names


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("schedulers: {lab: 10.0.0.5}", "schedulers.lab: found '10.0.0.5', expected an address like"),
        ("schedulers: {lab: 'http://10.0.0.5:80'}", "expected an address like"),
        ("schedulers: {automatic: 'tcp://h:1'}", "expected another: it stands for no address"),
        ("schedulers: [tcp://h:1]", "expected addresses by their names"),
        ("scheduler: {}", "an unknown key"),
    ],
)
def test_what_is_wrong_is_told(write: Any, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(write, text)
    assert any(problem in str(told) for told in refusal.value.problems), refusal.value.problems
