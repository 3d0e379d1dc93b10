"""Hosts of tests: they are machines of their own, and nothing is left of them."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.hosts.host import Host
from tests.hosts.lab import ROOT, Lab
from tests.hosts.login import TESTER
from tests.hosts.namespaces import PATIENCE_SECONDS
from tests.system.workplace import until


def _ssh(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *words],
        env=lab.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("user", ["root", "tester"])
def test_ssh_reaches_a_host_by_its_name_as_either_account(hosts: Lab, user: str) -> None:
    (host,) = hosts(1)

    told = _ssh(
        hosts, f"{user}@{host.name}", "id -un; hostname; pwd; python3 -c 'import pulseq; print(pulseq.__file__)'"
    )

    home = {"root": "/root", "tester": "/home/tester"}[user]
    assert [user, host.name, home, str(ROOT / "pulseq" / "__init__.py")] == told.stdout.split(), told.stderr


def test_nobody_gets_in_without_a_key_that_is_known(hosts: Lab) -> None:
    (host,) = hosts(1)

    told = _ssh(hosts, f"stranger@{host.name}", "true")

    assert (255, True) == (told.returncode, "Permission denied (publickey)" in told.stderr)


def test_home_directories_are_on_a_disk_where_that_is_asked_for(hosts: Lab, tmp_path: Path) -> None:
    (host,) = hosts(1, disk=tmp_path / "homes")

    host.run(["touch", "mark"])

    assert (tmp_path / "homes" / host.name / TESTER / "mark").exists()


def test_hosts_reach_each_other_by_name(hosts: Lab) -> None:
    first, second = hosts(2)

    told = first.run(["ssh", "-o", "BatchMode=yes", second.name, "hostname"])

    assert second.name == told.stdout.strip(), told.stderr


def test_a_host_has_nothing_of_this_machine_but_its_programs(hosts: Lab, tmp_path: Path) -> None:
    first, second = hosts(2)
    (tmp_path / "mine").touch()
    first.write("/tmp/theirs", "")
    first.write("notes/theirs", "")

    def has(host: Host, path: str | Path) -> bool:
        return host.run(["test", "-e", path]).returncode == 0

    assert not has(first, tmp_path / "mine")
    assert (["/home/tester/notes", "/home/tester/notes/theirs", "/tmp/theirs"], []) == (first.files(), second.files())
    assert (True, False) == (has(first, "/tmp/theirs"), has(second, "/tmp/theirs"))
    assert not Path("/tmp/theirs").exists()
    assert 0 != first.run(["touch", ROOT / "pulseq" / "theirs"], user="root").returncode
    numbers = {int(name) for name in first.run(["ls", "/proc"]).stdout.split() if name.isdecimal()}
    assert max(numbers) < 100  # its own count
    links = first.run(["ip", "-brief", "link"]).stdout.splitlines()
    assert {"lo", "eth0"} == {line.split()[0].partition("@")[0] for line in links}


def test_an_account_of_a_host_is_kept_from_what_is_anothers(hosts: Lab) -> None:
    (host,) = hosts(1)
    host.write("secret", "").chmod(0o600)

    assert ["0", "1"] == [
        str(host.run(["cat", "/home/tester/secret"], user=user).returncode) for user in ("tester", "stranger")
    ]


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _answer_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"hello")


#: Listens on the host's loopback and says so; then asks what has been forwarded to here.
BOTH_WAYS = """
import socket, sys
ours = socket.create_server(("127.0.0.1", 7001))
print("listening", flush=True)
with ours.accept()[0] as caller:
    with socket.create_connection(("127.0.0.1", 7002)) as back:
        caller.sendall(back.recv(10))
"""


def test_a_connection_carries_ports_both_ways(hosts: Lab) -> None:
    (host,) = hosts(1)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as free:
        mine = _port(free)
        free.close()
        threading.Thread(target=_answer_once, args=(listener,)).start()
        forwards = ["-L", f"127.0.0.1:{mine}:127.0.0.1:7001", "-R", f"127.0.0.1:7002:127.0.0.1:{_port(listener)}"]
        program = shlex.join(["python3", "-c", BOTH_WAYS])
        with subprocess.Popen(
            ["ssh", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", *forwards, host.name, f"exec {program}"],
            env=hosts.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as connection:
            assert connection.stdout is not None
            assert "listening\n" == connection.stdout.readline()
            with socket.create_connection(("127.0.0.1", mine)) as caller:
                heard = caller.recv(10)

    assert b"hello" == heard


def _reaches(host: Host) -> bool:
    try:
        with socket.create_connection((host.address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def test_a_link_that_is_cut_carries_nothing_until_it_is_healed(hosts: Lab) -> None:
    first, second = hosts(2)
    shell = subprocess.Popen(
        ["ssh", "-o", "BatchMode=yes", first.name, "cat"],
        env=hosts.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write("before\n")
    shell.stdin.flush()
    assert "before\n" == shell.stdout.readline()

    first.cut()
    shell.stdin.write("meanwhile\n")
    shell.stdin.flush()
    reached = (_reaches(first), _reaches(second))
    first.heal()

    assert (False, True) == reached
    assert "meanwhile\n" == shell.stdout.readline()
    shell.communicate(timeout=PATIENCE_SECONDS)
    assert _reaches(first)


def test_a_frozen_host_goes_on_where_it_was(hosts: Lab) -> None:
    (host,) = hosts(1)
    counting = host.start(["sh", "-c", "while :; do echo; done"])
    assert counting.stdout is not None
    counting.stdout.readline()

    host.freeze()
    states = {process.status() for process in host.processes()}
    host.thaw()

    assert {psutil.STATUS_STOPPED} == states
    for process in host.processes():
        process.kill()
    assert set(counting.stdout.readlines()) <= {"\n"}
    counting.communicate()
    until(lambda: not host.processes(), "all have ended")


def test_an_sshd_that_is_killed_takes_its_connections_with_it(hosts: Lab) -> None:
    (host,) = hosts(1)
    connection = subprocess.Popen(
        ["ssh", "-o", "BatchMode=yes", host.name, "exec sleep 600"], env=hosts.environment, stderr=subprocess.DEVNULL
    )
    until(lambda: "sleep 600" in host.describe_processes(), "it is there")

    host.kill_sshd()

    assert 255 == connection.wait(PATIENCE_SECONDS)
    assert ["sleep 600"] == host.describe_processes()
    assert not _reaches(host)
    host.start_sshd("AllowTcpForwarding no")
    refused = _ssh(hosts, "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9", host.name, "true")
    assert (0, 255) == (_ssh(hosts, host.name, "true").returncode, refused.returncode)


def test_a_disk_is_as_large_as_was_asked(hosts: Lab) -> None:
    host = hosts.open_host("small", size="8M")

    told = host.run(["dd", "if=/dev/zero", "of=/tmp/large", "bs=1M", "count=16", "status=none"])

    assert "No space left on device" in told.stderr


def test_a_host_has_the_processors_that_it_was_given(hosts: Lab) -> None:
    processor = max(os.sched_getaffinity(0))
    host = hosts.open_host("single", processors=[processor])
    ask = [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]

    told = [host.run(ask), _ssh(hosts, host.name, shlex.join(ask))]

    assert [f"{{{processor}}}\n"] * 2 == [one.stdout for one in told]


#: A lab with all that a test may leave behind, killed in the middle of it.
LEAVING = """
import sys
from pathlib import Path
from tests.hosts.lab import open_lab
with open_lab(Path(sys.argv[1])) as lab:
    for host in lab(2):
        host.start(["setsid", "sh", "-c", "trap '' TERM HUP; sleep 600 & sleep 600"])
        print(host.pid, host.address, flush=True)
    print(lab.address, flush=True)
    lab.hosts[0].freeze()
    print("frozen", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
@pytest.mark.usefixtures("hosts")
def test_nothing_is_left_whatever_becomes_of_the_test(tmp_path: Path, how: signal.Signals | None) -> None:
    lab = subprocess.Popen(
        [sys.executable, "-c", LEAVING, str(tmp_path / "other")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lab.stdin is not None
    assert lab.stdout is not None
    said = [lab.stdout.readline().split() for _ in range(4)]
    pids = [int(pid) for pid, _ in said[:2]]
    namespaces = {Path(f"/proc/{pid}/ns/{kind}").readlink() for pid in pids for kind in ("net", "mnt", "pid")}

    if how is not None:
        os.kill(lab.pid, how)
    lab.communicate(timeout=PATIENCE_SECONDS)

    until(lambda: not namespaces & _namespaces(), "no process is in a namespace of it", PATIENCE_SECONDS)
    until(lambda: said[2][0] not in _addresses(), "its link is gone", PATIENCE_SECONDS)
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if line.startswith("host ")]


def _addresses() -> set[str]:
    return {address.address for found in psutil.net_if_addrs().values() for address in found}


def _namespaces() -> set[Path]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/*"):
        try:
            found.add(path.readlink())
        except OSError:
            continue  # it has ended meanwhile
    return found
