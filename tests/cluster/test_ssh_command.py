"""The command line of ssh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pulseq.cluster.ssh_command import CONNECT_SECONDS, split_host, ssh_command
from pulseq.fleet import SshSpec


def read_by_ssh(command: list[str]) -> dict[str, str]:
    """What ssh itself understands of its options."""
    told = subprocess.run(
        [command[0], "-G", "-F", "none", *command[1:]], capture_output=True, text=True, check=True, timeout=20
    )
    return {name.lower(): value for name, _, value in (line.partition(" ") for line in told.stdout.splitlines())}


def test_it_never_asks_and_forwards_nothing_by_itself() -> None:
    read = read_by_ssh(ssh_command("lab1", SshSpec(), "true"))
    assert read["batchmode"] == "yes"
    assert (read["forwardagent"], read["forwardx11"], read["clearallforwardings"]) == ("no", "no", "yes")
    assert read["connecttimeout"] == str(CONNECT_SECONDS)


def test_what_a_nodes_file_says_of_the_host_goes_to_ssh(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    spec = SshSpec("tester", 2222, str(tmp_path / "key"), (("ProxyJump", "gate"), ("ConnectTimeout", "3")))
    read = read_by_ssh(ssh_command("lab2.example", spec))
    assert (read["user"], read["port"], read["hostname"]) == ("tester", "2222", "lab2.example")
    assert read["proxyjump"] == "gate"
    assert read["connecttimeout"] == "3"
    assert read["identityfile"] == str(tmp_path / "key")


def test_what_would_ask_cannot_be_switched_on() -> None:
    read = read_by_ssh(ssh_command("lab1", SshSpec(options=(("batchmode", "no"),))))
    assert read["batchmode"] == "yes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lab1.example", (None, "lab1.example")),
        ("tester@lab2", ("tester", "lab2")),
        ("dom\\user@10.0.0.1", ("dom\\user", "10.0.0.1")),
        ("fe80::1%eth0", (None, "fe80::1%eth0")),
    ],
)
def test_a_host_and_its_user_are_told_apart(text: str, expected: tuple[str | None, str]) -> None:
    assert split_host(text) == expected


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "a b", "a;b", "@lab1", "-l@lab1", "$(x)", "a\nb"])
def test_what_could_be_read_as_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a host as ssh takes it"):
        split_host(text)
