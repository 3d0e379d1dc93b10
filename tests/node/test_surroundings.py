"""The environment of bodies on a node."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from pulseq.node.surroundings import Surroundings, login_environment
from pulseq.protocol.to_node import BodyVariables


def test_what_the_node_says_goes_before_what_the_caller_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "of the host")

    around = Surroundings.of(BodyVariables({"MODE": "of the caller", "CI": "1"}), {"MODE": "of the node"})

    assert around.variables == {"MODE": "of the node", "CI": "1"}
    assert around.base == {**os.environ, "MODE": "of the node"}
    assert not around.secrets


def test_secrets_are_known_in_all_their_forms() -> None:
    around = Surroundings.of(BodyVariables({"TOKEN": "a b/c d"}, ("a b/c d",)), {})

    assert {"a b/c d", "a%20b%2Fc%20d", "YSBiL2MgZA=="} <= set(around.secrets)
    assert "a b/c d" not in repr(around)


def test_like_a_login_bodies_have_nothing_of_what_the_node_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONLY_IN_THE_SHELL", "1")

    around = Surroundings.of(BodyVariables({"CI": "1"}, like_a_login=True), {"MODE": "of the node"})

    assert "ONLY_IN_THE_SHELL" not in around.base
    assert (around.base["MODE"], around.base["HOME"]) == ("of the node", pwd.getpwuid(os.getuid()).pw_dir)


def test_a_login_has_what_the_machine_says_of_every_login(tmp_path: Path) -> None:
    machine = tmp_path / "environment"
    machine.write_text(
        '# of all\nPATH="/opt/bin:/bin"\nexport EDITOR=vi # best\nNAMES=\'a b\'\nHOME=/else\nnonsense\nQ="\n'
    )

    found = login_environment({"LC_ALL": "C", "TZ": "UTC", "MODE": "fast", "OMP_NUM_THREADS": "1"}, machine)

    user = pwd.getpwuid(os.getuid())
    assert found == {
        "PATH": "/opt/bin:/bin",
        "EDITOR": "vi",
        "NAMES": "a b",
        "Q": '"',
        "LC_ALL": "C",
        "TZ": "UTC",
        "OMP_NUM_THREADS": "1",
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": user.pw_shell,
    }


def test_where_the_machine_says_nothing_a_login_has_the_usual_path(tmp_path: Path) -> None:
    assert "/usr/bin" in login_environment({}, tmp_path / "none")["PATH"].split(":")
