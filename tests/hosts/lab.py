"""Several hosts on one network, on this machine, for as long as a test lasts: `open_lab`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.hosts.host import Host
from tests.hosts.host_files import describe_files
from tests.hosts.login import HOME_OF, TESTER, Key, describe_known_hosts, describe_ssh
from tests.hosts.namespaces import configure_links, open_namespaces
from tests.hosts.needs import find_program

ROOT = Path(__file__).resolve().parents[2]
_INIT = Path(__file__).with_name("init.py")
#: Networks for measurements of networks, which nobody routes (RFC 2544): 198.18.N.0/24.
_NETWORKS = range(256)
_MACHINE = 1
_FIRST_HOST = 11
_SWITCH = "print('ready', flush=True); import os\nwhile os.read(0, 4096): pass"


@dataclass
class Lab:
    """Hosts that reach each other and are reached from this machine, by ssh without a question.

    Attributes:
        home: a home directory on this machine, whose ssh knows the hosts by name.
        address: of this machine, as the hosts know it.
    """

    home: Path
    address: str
    _switch_pid: int
    _stack: contextlib.ExitStack
    _key: Key
    _hosts: dict[str, Host] = field(default_factory=dict)
    _host_keys: dict[str, Key] = field(default_factory=dict)

    def __call__(
        self, count: int, *, size: str = "2G", shown: Sequence[Path] = (), disk: Path | None = None
    ) -> list[Host]:
        """So many more hosts, with names of their own."""
        first = len(self._hosts) + 1
        return [
            self.open_host(f"host{number}", size=size, shown=shown, disk=disk) for number in range(first, first + count)
        ]

    def open_host(
        self,
        name: str,
        *,
        size: str = "2G",
        shown: Sequence[Path] = (),
        disk: Path | None = None,
        processors: Collection[int] | None = None,
    ) -> Host:
        """One more host.

        Args:
            size: of its disk, as tmpfs takes it.
            shown: what of this machine is there at the same place, besides programs and this repository, to be read.
            disk: a directory of this machine below which its home directories are, instead of in memory; they stay.
            processors: those of this machine that it has, by number; all by default.
        """
        homes = None if disk is None else disk / name
        if homes is not None:
            homes.mkdir(parents=True)
        keys = self._host_keys | {name: Key.generate(self.home, name)}
        addresses = {one.name: one.address for one in self._hosts.values()}
        address = self.address.rpartition(".")[0] + f".{_FIRST_HOST + len(self._hosts)}"
        told = {
            "name": name,
            "size": size,
            "homes": None if homes is None else str(homes),
            "processors": sorted(os.sched_getaffinity(0) if processors is None else processors),
            "shown": _find_shown(shown),
            "files": {path: asdict(file) for path, file in describe_files(keys[name], self._key).items()},
        }
        command = [sys.executable, "-I", "-S", str(_INIT), json.dumps(told)]
        pid = self._stack.enter_context(open_namespaces(("net", "mount", "uts", "ipc", "pid"), command))
        port = f"port{len(self._hosts)}"
        configure_links(
            [f"link add {port} type veth peer name eth0 netns {pid}", f"link set {port} master switch up"],
            self._switch_pid,
        )
        configure_links([f"addr add {address}/24 dev eth0", "link set eth0 up"], pid)
        self._host_keys = keys
        self._introduce({**addresses, name: address}, pid)
        host = Host(name, address, pid, self.ssh_config, self._switch_pid, port)
        self._hosts[name] = host
        return host

    @property
    def hosts(self) -> list[Host]:
        """All that are up."""
        return list(self._hosts.values())

    @property
    def ssh_config(self) -> Path:
        """What `home` has for `~/.ssh/config`."""
        return self.home / ".ssh" / "config"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which programs of this machine have `home`, and an `ssh` that heeds it.

        OpenSSH asks the list of accounts where a home is, and no variable.
        """
        return {"HOME": str(self.home), "PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}

    def _introduce(self, addresses: dict[str, str], newest: int) -> None:
        """Tell everybody who there is by now."""
        known = describe_known_hosts(addresses, self._host_keys)
        self.ssh_config.write_text(describe_ssh(addresses, str(self.home)))
        self.ssh_config.with_name("known_hosts").write_text(known)
        table = "127.0.0.1 localhost\n::1 localhost\n"
        table += "".join(f"{address} {name}\n" for name, address in addresses.items())
        for pid in (newest, *(host.pid for host in self._hosts.values())):
            there = Path(f"/proc/{pid}/root")
            (there / "etc/hosts").write_text(table)
            ssh = there / HOME_OF[TESTER][1:] / ".ssh"
            (ssh / "config").write_text(describe_ssh(addresses, HOME_OF[TESTER]))
            (ssh / "known_hosts").write_text(known)


@contextlib.contextmanager
def open_lab(home: Path) -> Iterator[Lab]:
    """A network without hosts yet; after the block nothing is left of it and of what was on it but files in `home`."""
    with contextlib.ExitStack() as stack:
        number = stack.enter_context(_take_network())
        switch = stack.enter_context(open_namespaces(("net",), [sys.executable, "-I", "-S", "-c", _SWITCH]))
        # No wait for other bridges, of which there are none: a cable works as soon as it is plugged in.
        configure_links(["link add switch type bridge stp_state 0 forward_delay 0", "link set switch up"], switch)
        link, address = f"pulseq{number}", f"198.18.{number}.{_MACHINE}"
        configure_links(
            [
                f"link add {link} type veth peer name machine netns {switch}",
                f"addr add {address}/24 dev {link}",
                f"link set {link} up",
            ]
        )
        # It would go with the switch, but a moment later.
        stack.callback(configure_links, [f"link del {link}"])
        configure_links(["link set machine master switch up"], switch)
        key = _prepare_home(home)
        yield Lab(home, address, switch, stack.enter_context(contextlib.ExitStack()), key)


@contextlib.contextmanager
def _take_network() -> Iterator[int]:
    """The number of a network that no other lab of this machine has; whoever ends has none any more."""
    for number in random.sample(_NETWORKS, len(_NETWORKS)):
        with socket.socket(socket.AF_UNIX) as taken:
            try:
                taken.bind(f"\0pulseq-network-{number}")
            except OSError:
                continue
            yield number
            return
    raise RuntimeError(f"{len(_NETWORKS)} labs are open on this machine")


def _prepare_home(home: Path) -> Key:
    """Give a home directory a key, and an `ssh` that knows it."""
    ssh = home / ".ssh"
    ssh.mkdir(mode=0o700, parents=True)
    key = Key.generate(home, "tester")
    (ssh / "id_ed25519").touch(mode=0o600)
    (ssh / "id_ed25519").write_text(key.private)
    wrapper = home / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {find_program("ssh")} -F {ssh / "config"} "$@"\n')
    wrapper.chmod(0o755)
    return key


def _find_shown(more: Sequence[Path]) -> Sequence[str]:
    """The system's programs, this interpreter, this repository and what is named besides, none inside another."""
    paths = {Path("/usr"), ROOT, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent, *more}
    return [str(path) for path in sorted(paths) if not any(path != one and path.is_relative_to(one) for one in paths)]
