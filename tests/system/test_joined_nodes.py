"""Nodes that join a fleet by themselves: `pulseq certs`, `pulseq up --listen`, `pulseq node start`, all real."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import psutil
import pytest

from pulseq.node.leaving import IDLE_SECONDS
from pulseq.security.authority import make_credentials
from pulseq.security.credentials import keep_credentials
from pulseq.security.site import load_site
from tests.promises import OUTLIVED_SECONDS
from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, until

SHORT = "suite: short\ntests:\n  - {id: a, command: [true], requirements: {browser: chrome}}\n"
LONG = """
suite: long
tests:
  - {id: long, command: [python, -c, "WAIT"], requirements: {browser: chrome}, max_retries: 0}
"""
#: Until somebody has put a file there, so that a test ends when it is to; the place is known on all hosts.
WAIT = (
    "import os, time, pathlib; place = pathlib.Path('PLACE'); (place / 'pid').write_text(str(os.getpid()))\n"
    "while not (place / 'go').exists(): time.sleep(0.02)\n"
)
#: Its artifact comes when somebody reads the pipe that is in the way of its driver.
LEAVES = """
suite: leaves
tests:
  - {id: leaves, command: [python, -c, "LEAVE", "RUN"], requirements: {browser: chrome}, artifacts_of: all}
"""
LEAVE = """
import hashlib, sys
pathlib.Path(os.environ['PULSEQ_ARTIFACTS'], 'a.txt').write_text('left')
coming = pathlib.Path(sys.argv[1], 'artifacts', '.coming')
coming.mkdir(parents=True)
os.mkfifo(coming / hashlib.sha256(b'left').hexdigest())
"""
NODES = """
nodes: [{id: lab1, host: lab1.example, joins: true, env: {OF_NODE: of the file}}]
framework: {heartbeat_interval: 1, node_timeout: 20}
"""
#: Bodies there have what is named, and no variable that is ours.
SEEN = """
project: {ship: ["*.yaml"], pass_env: [PASSED_ON]}
tests:
  - id: seen
    command: 'test "$OF_NODE-$PASSED_ON-$ONLY_MINE-$PULSEQ_CREDENTIALS" = "of the file-passed--"'
    shell: true
"""
#: A port below those that systems give away by themselves.
PORT = 21_786


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def free_port() -> int:
    for port in range(PORT, PORT + 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


class Terminal:
    """A node, and what it has said so far where it was started."""

    def __init__(self, site: Site, node_id: str, *more: str) -> None:
        self.path = site.place.path / f"{node_id}.out"
        self.directory = site.place.path / f"d-{node_id}"
        self._out: IO[str] = self.path.open("w")
        words = ["--id", node_id, "--directory", str(self.directory), "--credentials", "lab1.pem", *more]
        environment = {**site.place.environment, "PULSEQ_HOME": str(site.place.path / "elsewhere")}
        command = [*site.command, "node", "start", "--scheduler", site.address, *words]
        self.process = subprocess.Popen(
            command, cwd=site.place.path, env=environment, stderr=self._out, stdout=self._out, start_new_session=True
        )
        site.terminals.append(self)

    @property
    def said(self) -> str:
        return self.path.read_text()

    def until_said(self, words: str) -> None:
        until(lambda: words in self.said or self.process.poll() is not None, f"{words!r} in {self.said!r}")
        assert words in self.said

    def wait(self) -> int:
        return self.process.wait(60)

    def close(self) -> None:
        """It has ended, and its fleet knows that."""
        try:
            if self.process.poll() is None:
                for number in (signal.SIGTERM, signal.SIGINT):  # at the second one it ends now
                    self.process.send_signal(number)
                self.wait()
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self._out.close()


class Site:
    """A fleet that listens, and the terminals of its nodes."""

    def __init__(self, place: Workplace, loopback: str = "127.0.0.1") -> None:
        self.place = place
        self.listens = f"{loopback}:{free_port()}"
        self.address = f"tls://{self.listens}"
        self.terminals: list[Terminal] = []
        self.told = ""
        self.command = [sys.executable, "-m", "pulseq"]

    def up(self) -> None:
        up = self.place.run("up", "-n", "0", "--listen", self.listens)
        assert up.code == 0, up.err
        self.told = up.err

    def end_nodes(self) -> None:
        while self.terminals:
            self.terminals.pop().close()

    def node(self, node_id: str = "lab1", *more: str) -> Terminal:
        return Terminal(self, node_id, *more)

    def joined(self, node_id: str = "lab1") -> Terminal:
        terminal = self.node(node_id, "--label", "browser=chrome", "--slots", "2")
        terminal.until_said("joined tls://")
        return terminal

    def status(self) -> dict[str, object]:
        told: dict[str, object] = self.place.run("status", "--output", "json").json
        return told


@contextlib.contextmanager
def open_site(path: Path, api: str, loopback: str = "127.0.0.1") -> Iterator[Site]:
    """A site with credentials for one node, and nothing up yet."""
    with open_workplace(path) as place:
        place.environment |= {"PREFECT_API_URL": api}
        wait = WAIT.replace("PLACE", str(path)).replace("\n", "\\n")
        # In a folder of their own: that is the project which travels, and nothing else here.
        place.write("suites/short.yaml", SHORT)
        place.write("suites/long.yaml", LONG.replace("WAIT", wait))
        place.write("suites/seen.yaml", SEEN)
        place.write("nodes.yaml", NODES)
        assert place.run("certs", "init").code == 0
        assert place.run("certs", "node", "lab1").code == 0
        made = Site(place, loopback)
        try:
            yield made
        finally:
            made.end_nodes()
            assert place.run("down").code == 0


@pytest.fixture
def new_site(tmp_path: Path, prefect_api: str) -> Iterator[Site]:
    """One where nothing is up yet, by the addresses of IPv6 where this machine has some."""
    with open_site(tmp_path, prefect_api, "[::1]" if has_ipv6() else "127.0.0.1") as made:
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("joined"), prefect_api) as made:
        made.up()
        yield made


@pytest.fixture
def site(standing: Site) -> Iterator[Site]:
    """One whose fleet is up, and has no node when a test begins."""
    for name in ("pid", "go"):
        (standing.place.path / name).unlink(missing_ok=True)
    yield standing
    standing.end_nodes()


def test_a_run_finds_a_node_that_has_joined_and_it_leaves_when_its_test_is_done(site: Site) -> None:
    assert f"members of the site reach it at {site.address}" in site.told
    node = site.joined()
    assert "read off this machine: linux" in node.said
    assert "told: browser=chrome" in node.said

    run = site.place.start("run", "suites/long.yaml", "--output", "json", "--run-id", "nightly")
    until((site.place.path / "pid").exists, "the test has begun")
    same = ["run", "suites/short.yaml", "--run-id", "nightly", "--scheduler", site.address]
    refused = site.place.run(*same, PULSEQ_CREDENTIALS="lab1.pem", PULSEQ_HOME=str(site.place.path / "another"))
    node.process.send_signal(signal.SIGTERM)
    node.until_said("it takes no new tests, and ends when those that it has are done")
    (site.place.path / "go").touch()
    out, err = run.communicate(timeout=120)

    assert (0, 1) == (run.returncode, json.loads(out)["counts"]["passed"]), err
    assert 4 == refused.code
    goes_on = f"--run-id: found 'nightly', which is a run that goes on at {site.address!r}; choose another"
    assert f"pulseq: {goes_on}" in refused.err
    assert node.wait() == 0
    assert node.said.endswith("node lab1 has ended\n")
    assert {} == site.status()["nodes"]
    site.joined()  # its own word that it leaves holds no longer than until it is back
    assert site.place.run("run", "suites/short.yaml").code == 0


@pytest.mark.slow
def test_it_leaves_when_what_its_tests_left_is_at_home(site: Site) -> None:
    directory = site.place.home / "runs" / "r1"
    leave = (WAIT.replace("PLACE", str(site.place.path)) + LEAVE).replace("\n", "\\n")
    site.place.write("suites/leaves.yaml", LEAVES.replace("LEAVE", leave).replace("RUN", str(directory)))
    node = site.joined()
    run = site.place.start("run", "suites/leaves.yaml", "--run-id", "r1")
    until((site.place.path / "pid").exists, "the test has begun")
    node.process.send_signal(signal.SIGHUP)
    node.until_said("it takes no new tests")
    node.process.send_signal(signal.SIGHUP)  # a terminal that is closed may come twice
    (site.place.path / "go").touch()
    until(lambda: "attempt_finished" in [one["kind"] for one in site.place.journal("r1")], "the test has its result")

    with pytest.raises(subprocess.TimeoutExpired):
        node.process.wait(2 * IDLE_SECONDS)
    [pipe] = (directory / "artifacts" / ".coming").iterdir()
    assert b"left" == pipe.read_bytes()

    _, err = run.communicate(timeout=120)
    assert (0, 0) == (run.returncode, node.wait()), err
    assert [{"trouble": None}] == site.place.sql("select trouble from artifacts where run_id = 'r1'")


def test_on_a_second_signal_it_ends_now_and_its_bodies_with_it(site: Site) -> None:
    node = site.joined()
    run = site.place.start("run", "suites/long.yaml", "--deadline", "60")
    until(lambda: (site.place.path / "pid").exists() and (site.place.path / "pid").read_text(), "the test has begun")
    body = psutil.Process(int((site.place.path / "pid").read_text()))

    node.process.send_signal(signal.SIGTERM)
    node.until_said("again ends it now")
    node.process.send_signal(signal.SIGINT)

    assert node.wait() == 0
    until(lambda: not body.is_running(), "the body is gone", OUTLIVED_SECONDS)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=120)


def test_what_is_killed_is_swept_by_its_next_self_which_takes_its_place_at_once(site: Site) -> None:
    first = site.joined()
    noted = json.loads((first.directory / "node.json").read_text())
    pids = [process["pid"] for process in noted["processes"]]
    for pid in pids:  # as where all of a control group is killed, or its machine goes down
        os.kill(pid, signal.SIGSTOP)
    first.process.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    first.wait()
    assert all(Path(place).exists() for place in noted["places"])

    second = site.joined()

    assert "an earlier self was killed" in second.said
    assert not any(Path(place).exists() for place in noted["places"])
    assert site.place.run("run", "suites/short.yaml").code == 0


@pytest.mark.slow
def test_a_fleet_waits_for_the_nodes_that_its_file_says_will_join(new_site: Site) -> None:
    up = new_site.place.start("up", "--nodes", "nodes.yaml", "--listen", new_site.listens)
    assert up.stderr is not None
    lines = []
    for line in up.stderr:
        lines.append(line)
        if "waiting for lab1 to join" in line:
            break
    assert "waiting for lab1 to join, for up to 20 s\n" in lines
    new_site.joined()
    assert "not there yet" not in up.stderr.read()
    assert up.wait(60) == 0
    variables = {"PASSED_ON": "passed", "ONLY_MINE": "mine", "PULSEQ_CREDENTIALS": "x.pem"}
    seen = new_site.place.run("run", "suites/seen.yaml", **variables)
    assert seen.code == 0, seen.err
    assert new_site.place.run("run", "suites/short.yaml").code == 0


def test_a_run_waits_for_the_nodes_that_its_file_says_will_join(site: Site) -> None:
    site.place.write("soon.yaml", NODES.replace("node_timeout: 20", "node_timeout: 1"))

    late = site.place.run("run", "suites/short.yaml", "--nodes", "soon.yaml")
    run = site.place.start("run", "suites/short.yaml", "--nodes", "nodes.yaml")
    assert run.stderr is not None
    until(lambda: "waiting for lab1 to join, for up to 20 s" in run.stderr.readline(), "it waits")
    site.joined()

    assert run.wait(60) == 0
    assert late.code == 10
    assert "lab1 has not joined within 1 s: `pulseq node start` there, or --without-missing" in late.err


def test_a_run_whose_nodes_have_nothing_to_join_says_what_to_start(new_site: Site) -> None:
    run = new_site.place.run("run", "suites/short.yaml", "--nodes", "nodes.yaml")

    assert run.code == 4
    assert "lab1 can join nothing: nothing is up here; `pulseq up --listen ADDRESS:PORT --nodes nodes.yaml`" in run.err


PROGRAM = """
import asyncio
from pulseq.distributed import DistributedTestRunner, TestNode

async def main():
    async with DistributedTestRunner(WAY_IN) as runner:
        await runner.add_node(TestNode("lab1", "lab1.example", 0))
        result = await runner.run_test({"id": "a", "command": ["true"], "requirements": {"browser": "chrome"}})
        print(result.status, result.node_id, result.error or "", flush=True)
        await runner.remove_node("lab1")
        print(list(runner.nodes), flush=True)
        for again in ("b", "c"):
            await runner.add_node(TestNode("lab1", "lab1.example", 0))
            result = await runner.run_test({"id": again, "command": ["true"], "requirements": {"browser": "chrome"}})
            print(result.status, result.node_id, result.error or "", flush=True)
            await runner.remove_node("lab1")

asyncio.run(main())
"""


@pytest.mark.parametrize("listens", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_program_takes_a_node_that_joins_as_any_other_also_again(new_site: Site, listens: bool) -> None:
    way_in = f'listen="{new_site.listens}"' if listens else ""
    new_site.place.write("suites/program.py", PROGRAM.replace("WAY_IN", way_in))
    program = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=new_site.place.path / "suites",
        env=new_site.place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    new_site.place.started.append(program)
    assert program.stderr is not None
    told = until(program.stderr.readline, "it says how to join")
    words = shlex.split(told.partition("to join: pulseq ")[2])
    elsewhere = {"PULSEQ_HOME": str(new_site.place.path / "n")}
    node = new_site.place.start(*words, "--label", "browser=chrome", "--slots", "1", **elsewhere)

    out, err = program.communicate(timeout=120)

    assert ["passed lab1 ", "[]", "passed lab1 ", "passed lab1 "] == out.splitlines(), err
    node.send_signal(signal.SIGINT)
    assert node.wait(60) == 0


def test_a_run_from_elsewhere_uses_the_fleet_with_credentials_and_not_without(site: Site) -> None:
    site.joined()
    there = {"PULSEQ_HOME": str(site.place.path / "there")}
    keep_credentials(site.place.path / "foreign.pem", make_credentials("another site"))

    told = site.place.run(
        "run", "suites/short.yaml", "--scheduler", site.address, PULSEQ_CREDENTIALS="lab1.pem", **there
    )
    foreign = site.place.run(
        "run", "suites/short.yaml", "--scheduler", site.address, "--credentials", "foreign.pem", **there
    )
    without = site.place.run("run", "suites/short.yaml", "--scheduler", site.address.replace("tls", "tcp"), **there)

    assert told.code == 0, told.err
    assert foreign.code == 10
    assert "cannot be used: the credentials are of another site" in foreign.err
    assert without.code == 10
    assert "it may want credentials (tls://, --credentials FILE)" in without.err


def test_who_cannot_join_is_told_why_and_leaves_nothing_behind(site: Site) -> None:
    site.joined()
    lab = load_site(site.place.home / "site")
    yesterday = datetime.now(UTC) - timedelta(days=3)
    keep_credentials(site.place.path / "foreign.pem", make_credentials("another site"))
    keep_credentials(site.place.path / "expired.pem", lab.issue("lab2", timedelta(days=1), now=yesterday))
    twin = site.place.path / "twin"

    for words, told in (
        (("--directory", str(twin)), "there is a node 'lab1' already, on "),
        (("--directory", str(twin), "--credentials", "foreign.pem"), "the credentials are of another site"),
        (("--directory", str(twin), "--credentials", "expired.pem"), "its certificate has expired on"),
        ((), "this node runs here already"),
    ):
        words = ("--id", "lab1", *(words or ("--directory", str(site.place.path / "d-lab1"))))
        credentials = () if "--credentials" in words else ("--credentials", "lab1.pem")
        refused = site.place.run("node", "start", "--scheduler", site.address, *words, *credentials)
        assert refused.code in (4, 10), refused.err
        assert told in refused.err
        assert not twin.exists()
    assert ["lab1"] == [*site.status()["nodes"]]  # type: ignore[misc]


def test_a_fleet_that_runs_is_not_made_to_listen(site: Site) -> None:

    up = site.place.run("up", "--listen", "127.0.0.1:1")

    assert up.code == 4
    assert f"listens at {site.listens}, asked for --listen 127.0.0.1:1; `pulseq down` ends it" in up.err
