"""The first process of a host: `python init.py JSON`, in namespaces of its own. Standard library alone.

It makes the host's file system, in memory, says `ready`, and holds the host up until its standard input ends: then it
ends, and the kernel ends every process of the host and takes back its mounts and its end of the link. So a host goes
with whoever has opened it, whatever became of that one.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE = 1, 32, 4096, 16384
_DETACH = 2
#: What of the machine's `/etc` any program needs, and says nothing of the machine.
_CONFIGURATION = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl", "mime.types", "services")
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_OWN = ("etc", "home", "opt", "root", "run/sshd", "srv", "var/lib", "var/log", "mnt", "old")
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """mount(2)."""
    arguments = [None if text is None else str(text).encode() for text in (source, target, kind)]
    if _libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() if options else None):
        number = ctypes.get_errno()
        raise OSError(number, f"mount of {source}: {os.strerror(number)}", str(target))


def show(path: Path, root: Path) -> None:
    """What lies on the machine at `path` is there on the host too, to be read."""
    target = root / path.relative_to("/")
    if path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(str(path), target, flags=_BIND | _RECURSIVE)
    mount("none", target, flags=_BIND | _REMOUNT | _READ_ONLY)


def make_devices(place: Path) -> None:
    """A `/dev` with what any program expects."""
    mount("dev", place, "tmpfs", options="mode=755")
    for name, numbers in _DEVICES.items():
        os.mknod(place / name, stat.S_IFCHR, os.makedev(*numbers))
        (place / name).chmod(0o666)
    for name in ("pts", "shm"):
        (place / name).mkdir()
    mount("devpts", place / "pts", "devpts", options="newinstance,ptmxmode=666,mode=620")
    mount("shm", place / "shm", "tmpfs", options="mode=1777")
    for name, target in _LINKS.items():
        (place / name).symlink_to(target)


def find_place(shown: list[str]) -> Path:
    """A directory that hides nothing of use when the host's file system is mounted there, for this process alone."""
    places = (Path(name) for name in ("/mnt", "/media", "/srv", "/boot"))
    return next(
        place for place in places if place.is_dir() and not any(Path(one).is_relative_to(place) for one in shown)
    )


def make_root(
    root: Path, shown: list[str], files: dict[str, dict[str, Any]], size: str, homes: str | None = None
) -> None:
    """The host's file system at `root`: the system's programs, what is shown, and files of its own."""
    mount("host", root, "tmpfs", options=f"mode=755,size={size}")
    for name in _OWN:
        (root / name).mkdir(parents=True)
    if homes is not None:
        mount(homes, root / "home", flags=_BIND)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir()
        (root / name).chmod(0o1777)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if (top := Path("/", name)).is_symlink():
            (root / name).symlink_to(top.readlink())
        elif top.is_dir():
            show(top, root)
    (root / "dev").mkdir()
    make_devices(root / "dev")
    for path in map(Path, shown):
        show(path, root)
    for name in _CONFIGURATION:
        if (path := Path("/etc", name)).exists():
            copy = functools.partial(shutil.copytree, symlinks=True) if path.is_dir() else shutil.copy
            copy(path, root / "etc" / name)
    for name, file in files.items():
        write_file(root / name.lstrip("/"), **file)


def write_file(path: Path, text: str, mode: int = 0o644, owner: int = 0) -> None:
    """A file; directories that there are not yet are its owner's alone."""
    missing = [above for above in path.parents if not above.exists()]
    for above in reversed(missing):
        above.mkdir(mode=0o755)
        os.chown(above, owner, owner)
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, owner, owner)


def enter(root: Path) -> None:
    """Have `root` for this process's root, and of the machine's nothing."""
    for name, kind in (("proc", "proc"), ("sys", "sysfs")):
        (root / name).mkdir()
        mount(kind, root / name, kind)
    groups = Path("sys/fs/cgroup")
    if Path("/", groups).is_dir():
        mount(f"/{groups}", root / groups, flags=_BIND | _RECURSIVE)
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "old"], check=True)
    os.chdir("/")
    if _libc.umount2(b"/old", _DETACH):
        raise OSError(ctypes.get_errno(), "umount of the machine's root")
    os.rmdir("/old")


def main(text: str) -> None:
    os.umask(0o022)
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    told = json.loads(text)
    # Whatever is begun on the host from outside takes these over from here.
    os.sched_setaffinity(0, told["processors"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    Path("/proc/sys/kernel/hostname").write_text(told["name"])
    root = find_place(told["shown"])
    make_root(root, told["shown"], told["files"], told["size"], told["homes"])
    enter(root)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Nobody waits for orphans, which the kernel then takes away by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
