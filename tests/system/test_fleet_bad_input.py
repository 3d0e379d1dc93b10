"""Hosts and fleets that cannot be used: one line says what to do, nothing runs, and nothing is left anywhere."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable

import pytest

from tests.hosts.host import Host
from tests.hosts.lab import Lab
from tests.system.fleet_place import RUN, FleetPlace
from tests.system.workplace import Workplace

SUITE = "suite: one\ntests:\n  - {id: first, command: ['true']}\n"


@pytest.fixture
def place(workplace: Workplace, hosts: Lab) -> FleetPlace:
    workplace.environment |= hosts.environment
    place = FleetPlace(workplace, hosts)
    place.write_suite(SUITE)
    return place


def _cut(host: Host) -> None:
    host.cut()


def _configure(place: FleetPlace, host: Host, *lines: str) -> None:
    """What somebody has in ~/.ssh/config for a host, to work there."""
    known = place.lab.ssh_config.read_text()
    place.lab.ssh_config.write_text("\n    ".join([f"Host {host.name}", *lines]) + f"\n\n{known}")


def _kill_sshd(host: Host) -> None:
    host.kill_sshd()


def _freeze(host: Host) -> None:
    host.freeze()


def _forbid_forwarding(host: Host) -> None:
    host.kill_sshd()
    host.start_sshd("AllowTcpForwarding no")


def _lock_out(host: Host) -> None:
    host.path(".ssh/authorized_keys").unlink()


def _change_key(host: Host) -> None:
    key = host.path("/etc/ssh/ssh_host_ed25519_key")
    key.unlink()
    told = host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/ssh_host_ed25519_key"], user="root")
    assert told.returncode == 0, told.stderr
    host.kill_sshd()
    host.start_sshd()


def _end_logins(host: Host) -> None:
    host.write(".bashrc", "case $- in *i*) ;; *) exit 0;; esac\n")


#: What an interpreter with another version of PulseQ does when it is given a module and its argument.
ANOTHER = """
import pulseq, runpy, sys
pulseq.__version__ = "0.0.1"
sys.argv = sys.argv[-2:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""


def _install_another(host: Host) -> None:
    _install_python(host, "-P", "-c", ANOTHER)


def _install_nothing(host: Host) -> None:
    _install_python(host, "-I", "-S")


def _install_python(host: Host, *options: str) -> None:
    """An interpreter where `pulseq node install` puts one, which takes these options before others."""
    script = f'#!/bin/sh\nexec {shlex.join([sys.executable, *options])} "$@"\n'
    host.write(".local/share/pulseq/venv/bin/python", script).chmod(0o755)


#: What is done to a host, and what is then said of it.
SPOILED: dict[str, tuple[Callable[[Host], None], str]] = {
    "cut": (_cut, "cannot be reached: "),
    "asleep": (_freeze, "cannot be reached: it does not answer; see whether it is up: `ssh asleep`"),
    "without-sshd": (_kill_sshd, "cannot be reached: nothing listens there; start sshd there, or give its `port`"),
    "strict": (_forbid_forwarding, "forbids forwarding; set `AllowTcpForwarding yes` in its sshd_config"),
    "closed": (_lock_out, "refuses your key; `ssh-copy-id closed`, or name the right one: `ssh: {identity: FILE}`"),
    "changed": (_change_key, "has another host key than is known here; if that is right: `ssh-keygen -R changed`"),
    "curt": (_end_logins, "cannot be used: its login shell ends before it runs what it is given; see its .bashrc"),
    "old": (_install_another, "has PulseQ 0.0.1, this machine "),
    "bare": (_install_nothing, "has no PulseQ under its python; `pulseq node install bare` puts this one there"),
}


def test_hosts_that_cannot_be_used_are_told_in_a_line_each_and_the_others_do_the_work(place: FleetPlace) -> None:
    good = place.lab.open_host("good")
    for name, (spoil, _) in SPOILED.items():
        spoil(place.lab.open_host(name))
    options = [word for host in place.lab.hosts for word in ("--on", host.name)]

    with socket.create_server(("127.0.0.1", 0)) as taken:
        _configure(place, good, "RemoteCommand tmux", f"LocalForward {taken.getsockname()[1]} localhost:80")
        ended = place.workplace.run("run", "project/suite.yaml", *options, "--without-missing", "--run-id", RUN)

    assert 0 == ended.code, ended.err
    notes = [told["text"] for told in place.events("run_note") if told["text"].startswith("going on without ")]
    told = {note.split()[3].rstrip(":"): note for note in notes}
    assert SPOILED.keys() == told.keys()
    assert {} == {
        name: told[name] for name, (_, words) in SPOILED.items() if f"host {name!r} {words}" not in told[name]
    }
    assert {good.name} == {told["node_id"] for told in place.events("attempt_started")}
    assert [] == place.find_left([good])


@pytest.mark.slow
def test_one_of_them_ends_the_run_before_any_test(place: FleetPlace) -> None:
    good, bad = place.lab(2)
    bad.kill_sshd()

    ended = place.workplace.run("run", "project/suite.yaml", "--on", good.name, "--on", bad.name, "--run-id", RUN)

    (line,) = [line for line in ended.err.splitlines() if line.startswith("pulseq: ")]
    assert line.startswith(f"pulseq: host {bad.name!r} cannot be reached: nothing listens there")
    assert 10 == ended.code
    assert [] == place.events("attempt_started")
    assert [] == place.find_left()
