"""`pulseq node install` on hosts of their own, which reach no package index."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.hosts.lab import Lab
from tests.system.workplace import Finished, Workplace, finish, until
from tests.wheelhouse import fill_wheelhouse

PYTHON = f"{sys.base_prefix}/bin/python3"
PLACE = ".local/share/pulseq"


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_wheelhouse(tmp_path_factory.mktemp("wheels"))


def install(workplace: Workplace, hosts: Lab, *arguments: str | Path) -> Finished:
    return workplace.run("node", "install", *arguments, **hosts.environment)


def left_on(host: object) -> list[str]:
    return [path for path in host.files() if ".ssh" not in path]  # type: ignore[attr-defined]


@pytest.mark.slow
def test_runs_find_what_was_installed_on_hosts(workplace: Workplace, hosts: Lab, wheelhouse: Path) -> None:
    one, two = hosts(2)
    for host in (one, two):
        # As an owner may have it: bytecode of all of it takes longer than all that is looked at here.
        host.write("/etc/pip.conf", "[install]\nno-compile = true\n", user="root")

    done = install(workplace, hosts, "host1", "host2", "--python", PYTHON, "--wheelhouse", wheelhouse)

    assert 0 == done.code, done.err
    for host in (one, two):
        assert f"{host.name}: installs packages\n" in done.err
        assert f"{host.name}: has PulseQ 0.1.0, under Python " in done.err
        assert not host.processes()
        there = host.path(f"{PLACE}/venv/pyvenv.cfg").parent
        assert there.is_symlink() or there.exists()

    before = os.readlink(one.path(f"{PLACE}/venv"))
    again = install(workplace, hosts, "host1", "--wheelhouse", wheelhouse)
    assert (0, before) == (again.code, os.readlink(one.path(f"{PLACE}/venv")))
    assert "host1: has PulseQ 0.1.0 already" in again.err

    suite = workplace.write("suite.yaml", "suite: s\ntests:\n  - {id: a, simulate: {duration: 3}}\n")
    run = workplace.start("run", suite, "--on", "host1", **hosts.environment)
    until(lambda: f"{PLACE}/venv/bin/python" in " ".join(one.describe_processes()), "the run uses it")
    ran = finish(run)
    assert 0 == ran.code, ran.err


@pytest.mark.slow
def test_hosts_that_cannot_have_it_say_why_and_keep_nothing(
    bare_workplace: Workplace, hosts: Lab, wheelhouse: Path
) -> None:
    one, _two = hosts(2)
    small = hosts.open_host("small", size="64M")
    told = {
        "no index": install(bare_workplace, hosts, "host1", "--python", PYTHON),
        "no such Python": install(bare_workplace, hosts, "host1", "--python", "/nowhere/python"),
        "no room": install(bare_workplace, hosts, "small", "--python", PYTHON, "--wheelhouse", wheelhouse),
        "no host": install(bare_workplace, hosts, "nowhere"),
    }

    assert {10} == {done.code for done in told.values()}
    last = {what: done.err.splitlines()[-1] for what, done in told.items()}
    assert "host 'host1' reaches no package index; send wheels along with --wheelhouse DIR" in last["no index"]
    assert "host 'host1' has no such Python: /nowhere/python" in last["no such Python"]
    assert "host 'small' has " in last["no room"]
    assert "MB free" in last["no room"]
    assert "host 'nowhere' has no address" in last["no host"]
    assert ([], []) == (left_on(one), left_on(small))
    assert not one.processes()


@pytest.mark.slow
def test_one_that_is_stopped_leaves_nothing(bare_workplace: Workplace, hosts: Lab, wheelhouse: Path) -> None:
    [one] = hosts(1)

    process = bare_workplace.start(
        "node", "install", "host1", "--python", PYTHON, "--wheelhouse", wheelhouse, **hosts.environment
    )
    until(lambda: one.files(f"*{PLACE}/environments/*/pyvenv.cfg"), "the environment is begun")
    process.terminate()
    finish(process)

    until(lambda: not one.processes(), "nothing runs there")
    assert [] == left_on(one)
