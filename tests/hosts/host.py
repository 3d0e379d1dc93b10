"""A host of a test: a machine of its own as far as programs can tell, and what a test does to it."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.hosts.login import ACCOUNTS, HOME_OF, HOST_PATH, PID_FILE, SSHD_CONFIG, TESTER, describe_sshd
from tests.hosts.namespaces import PATIENCE_SECONDS, configure_links, processes_in
from tests.system.workplace import until

_ENTER = Path(__file__).with_name("enter.py")


@dataclass
class Host:
    """A host that is up.

    Attributes:
        name: its host name, by which ssh and the other hosts know it.
        address: where its sshd listens.
        pid: its first process, as this machine counts.
        ssh_config: the file that tells this machine's ssh of it.
    """

    name: str
    address: str
    pid: int
    ssh_config: Path
    _switch_pid: int
    _port: str
    _given: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        self.start_sshd()
        self._given = frozenset(self._own_files())

    def command(
        self, argv: Sequence[str | Path], *, user: str = TESTER, cwd: str | None = None, **environment: str
    ) -> list[str]:
        """The words by which this machine has `argv` run there, as a login of `user` would have it."""
        home = HOME_OF[user]
        variables = {"HOME": home, "USER": user, "LOGNAME": user, "PATH": HOST_PATH, "LANG": "C.UTF-8", **environment}
        return [
            *(sys.executable, "-I", "-S", str(_ENTER), str(self.pid), str(ACCOUNTS[user])),
            *("/usr/bin/env", "-i", "-C", cwd or home, *(f"{name}={value}" for name, value in variables.items())),
            *map(str, argv),
        ]

    def run(
        self, argv: Sequence[str | Path], *, user: str = TESTER, cwd: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A command that has ended there, whatever its exit code."""
        return subprocess.run(
            self.command(argv, user=user, cwd=cwd, **environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS * 10,
            check=False,
        )

    def start(
        self, argv: Sequence[str | Path], *, user: str = TESTER, cwd: str | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """A command that goes on there, at the longest for as long as the host is there."""
        return subprocess.Popen(
            self.command(argv, user=user, cwd=cwd, **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def path(self, there: str | Path) -> Path:
        """Where this machine finds what the host calls `there`; a path without a root begins in the tester's home."""
        return Path(f"/proc/{self.pid}/root", *Path(HOME_OF[TESTER], there).parts[1:])

    def write(self, there: str | Path, text: str, *, user: str = TESTER) -> Path:
        """A file of `user` there, and the directories above it that there were not."""
        path = self.path(there)
        missing = [above for above in path.parents if not above.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for made in (path, *missing):
            os.chown(made, ACCOUNTS[user], ACCOUNTS[user])
        return path

    def cut(self) -> None:
        """Nothing comes to it or goes from it any more, and nobody is told: the cable is out of the switch."""
        configure_links([f"link set {self._port} down"], self._switch_pid)

    def heal(self) -> None:
        """The cable is back."""
        configure_links([f"link set {self._port} up"], self._switch_pid)

    def freeze(self) -> None:
        """Every process there stands still, sshd's too; those that they begin meanwhile as well."""
        # From above: none sees how what it has started stops.
        self._signal(signal.SIGSTOP, stops=True)

    def thaw(self) -> None:
        """They go on."""
        self._signal(signal.SIGCONT, stops=False)

    def _signal(self, number: signal.Signals, *, stops: bool) -> None:
        """Send it to each process there until all stand still, or none does."""

        def has_been_heard() -> bool:
            found = ((process, _find_status(process)) for process in processes_in(self.pid))
            others = [process for process, status in found if status and (status == psutil.STATUS_STOPPED) != stops]
            for process in others if stops else reversed(others):
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
            return not others

        until(has_been_heard, f"every process of {self.name} has heard {number.name}", PATIENCE_SECONDS)

    def start_sshd(self, *lines: str) -> None:
        """Start an sshd with these lines before those of its configuration; it listens then."""
        self.write(SSHD_CONFIG, describe_sshd(self.address, lines), user="root")
        told = self.run(["/usr/sbin/sshd", "-f", SSHD_CONFIG, "-E", "/var/log/sshd.log"], user="root")
        assert told.returncode == 0, told.stderr
        # It goes into the background before it listens, and writes its number afterwards.
        until(lambda: self.path(PID_FILE).exists(), f"the sshd of {self.name} listens", PATIENCE_SECONDS)

    def kill_sshd(self) -> None:
        """Kill sshd and with it each connection; what was started over them is not touched."""
        for process in processes_in(self.pid):
            if _is_sshd(process):
                process.kill()
        until(lambda: not any(map(_is_sshd, processes_in(self.pid))), "sshd has ended", PATIENCE_SECONDS)
        self.path(PID_FILE).unlink(missing_ok=True)

    def processes(self) -> list[psutil.Process]:
        """All that live there, but for the first one and sshd, which may wait for long for who was connected."""
        return [process for process in processes_in(self.pid) if not _is_sshd(process)]

    def describe_processes(self) -> list[str]:
        """The same as command lines."""
        return [shlex.join(_words(process)) for process in self.processes()]

    def files(self, pattern: str = "*") -> list[str]:
        """What has come into its file system since it is up and is there still, as far as the whole path is `pattern`.

        Its logs and what the kernel shows as files are left out; `*` stands for slashes, too.
        """
        return sorted(path for path in set(self._own_files()) - self._given if fnmatch.fnmatch(path, pattern))

    def _own_files(self) -> Iterator[str]:
        root = self.path("/")
        for top in (root, root / "dev" / "shm"):
            device = top.stat().st_dev
            for place, directories, files in os.walk(top):
                for name in (*directories, *files):
                    if name != "sshd.log":
                        yield f"/{Path(place, name).relative_to(root)}"
                directories[:] = [name for name in directories if _is_on(Path(place, name), device)]

    def __str__(self) -> str:
        return self.name


def _find_status(process: psutil.Process) -> str | None:
    try:
        return process.status()
    except psutil.Error:
        return None


def _is_on(directory: Path, device: int) -> bool:
    try:
        told = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(told.st_mode) and told.st_dev == device


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_sshd(process: psutil.Process) -> bool:
    return bool(words := _words(process)) and words[0].rpartition("/")[2].startswith("sshd")
