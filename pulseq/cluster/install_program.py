"""What `pulseq node install` runs on a host: the standard library alone, given to its Python as text.

It says lines that begin with its mark, each a JSON object, and is sent a tar archive once it has asked for it. What is
there already stays in use until the new environment is whole: then one symbolic link is turned.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = "pulseq-install:"
#: The link that runs look for, and the environments that it leads to.
LINK, ENVIRONMENTS = "venv", "environments"
_TOLD = "installed.json"
_OLDEST = (3, 11)
#: What an environment takes on the disk.
_ROOM_BYTES = 600_000_000
_NO_INDEX = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Failed to establish a new connection",
    "Network is unreachable",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "Connection refused",
)
#: Where pip names what it has not found; of what has a fixed version it calls that a conflict.
_MISSING = re.compile(r"(?:No matching distribution found for|The user requested \(constraint\)) (\S+)")


class InstallError(Exception):
    """What is wrong, in words that follow the host's name."""


def say(**told: Any) -> None:
    print(f"{MARK}{json.dumps(told)}", flush=True)


def install(place: Path, digest: str, version: str) -> str:
    """Have an environment with this release behind the link in `place`; `same` where there was one, else `done`."""
    check_python()
    environments, link = place / ENVIRONMENTS, place / LINK
    with only_one(environments, link):
        if link.exists() and not link.is_symlink():
            raise InstallError(f"has {str(link)!r}, which is none of ours; remove it, or take another --directory")
        if read_told(link).get("digest") == digest:
            return "same"
        sweep(environments, link)
        check_room(place)
        say(step="send")
        new = Path(tempfile.mkdtemp(prefix=f"{version}-", dir=environments))
        try:
            fill(new, digest, version)
            turn(link, new)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
    return "done"


def check_python() -> None:
    if sys.version_info < _OLDEST:
        raise InstallError(f"has Python {platform.python_version()}, expected 3.11 or newer; name one with --python")
    missing = [name for name in ("venv", "ensurepip") if not has_module(name)]
    if missing:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise InstallError(f"has no module {missing[0]!r} in {sys.executable}; on Debian: apt install {package}")


def has_module(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def check_room(place: Path) -> None:
    free = shutil.disk_usage(place).free
    if free < _ROOM_BYTES:
        raise InstallError(
            f"has {free // 1_000_000} MB free in {str(place)!r}, expected {_ROOM_BYTES // 1_000_000}; "
            "make some, or take another --directory"
        )


@contextlib.contextmanager
def only_one(environments: Path, link: Path) -> Iterator[None]:
    """Keep others away meanwhile; a place that has no environment in the end is as it was before."""
    missing = [above for above in (environments, *environments.parents) if not above.exists()]
    environments.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = environments / "lock"
    with open(path, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not path.samefile(f"/proc/self/fd/{lock.fileno()}"):
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            raise InstallError("is being installed on by another `pulseq node install`; wait for that") from None
        try:
            yield
        finally:
            if not link.is_symlink():
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    for made in missing:
                        made.rmdir()


def read_told(environment: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((environment / _TOLD).read_text())
    except (OSError, ValueError):
        return {}
    return told


def sweep(environments: Path, link: Path) -> None:
    """Remove what an installation has left that was killed, and environments that were replaced before the last."""
    used = link.resolve()
    for path in environments.iterdir():
        if path.is_dir() and path != used:
            shutil.rmtree(path, ignore_errors=True)


def fill(new: Path, digest: str, version: str) -> None:
    """Make an environment of what is sent."""
    with tempfile.TemporaryDirectory(prefix="sent-", dir=new.parent) as place:
        sent = Path(place)
        receive(sent)
        threading.Thread(target=end_with_owner, daemon=True).start()
        say(step="environment")
        run([sys.executable, "-m", "venv", str(new)], sent)
        say(step="packages")
        python = str(new / "bin" / "python")
        run([python, *pip_words(sent)], sent)
        run([python, "-P", "-c", "import pulseq.node.host_process, pulseq.node.node_process"], sent)
    (new / _TOLD).write_text(json.dumps({"digest": digest, "version": version, "python": platform.python_version()}))


def receive(sent: Path) -> None:
    """Put the files of the archive that is sent into this directory."""
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None or "/" in member.name or member.name.startswith("."):
                    raise InstallError(f"was sent {member.name!r}, which is no file of an installation")
                with open(sent / member.name, "xb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError) as error:
        raise InstallError(f"was not sent all of it: {error}") from None


def pip_words(sent: Path) -> list[str]:
    wheels = sorted(sent.glob("*.whl"))
    own = [str(path) for path in wheels if path.name.startswith("pulseq-")]
    words = ["-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "1", "--timeout", "10", "install"]
    # What a wheelhouse lacks pip does not name where it is to be quiet.
    words += ["--no-index", "--find-links", str(sent)] if (sent / "no-index").exists() else ["--quiet"]
    return [*words, "--constraint", str(sent / "constraints.txt"), *own]


def run(command: list[str], sent: Path) -> None:
    """Run a command that is part of an installation.

    Raises:
        InstallError: it fails; the text has its last words.
    """
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise InstallError(explain(done.stdout.decode(errors="replace"), (sent / "no-index").exists()))


def explain(output: str, from_wheelhouse: bool) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["it said nothing"]
    if "No space left on device" in output:
        return "has no space left on its disk; make some, or take another --directory"
    if not from_wheelhouse and any(sign in output for sign in _NO_INDEX):
        return "reaches no package index; send wheels along with --wheelhouse DIR"
    if from_wheelhouse and (missing := _MISSING.search(output)):
        python = f"Python {platform.python_version()} on {platform.machine()}"
        return f"finds no wheel of {missing[1]} in --wheelhouse that fits its {python}; put one there"
    return f"could not install it: {errors[-1].removeprefix('ERROR: ')}"


def end_with_owner() -> None:
    """Whoever sends has gone: nobody waits for this any more."""
    # Not by the file object, whose lock would be held as Python ends.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def turn(link: Path, new: Path) -> None:
    """Have the link lead to the new environment, from one moment to the next."""
    beside = link.with_name(f".{LINK}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(new)
    os.replace(beside, link)


def main() -> None:
    asked = json.loads(sys.stdin.buffer.readline())
    place = Path(os.path.expanduser(asked["place"]))

    def leave(*_: object) -> None:
        raise SystemExit(1)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        step = install(place, asked["digest"], asked["version"])
    except InstallError as error:
        say(trouble=str(error))
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        no_room = error.errno in (errno.ENOSPC, errno.EDQUOT)
        say(trouble="has no space left on its disk" if no_room else f"cannot be installed on: {error.strerror}{where}")
    else:
        say(step=step, python=read_told(place / LINK).get("python"), place=str(place / LINK))


if __name__ == "__main__":
    main()
