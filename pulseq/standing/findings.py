"""What is said of a machine on which runs are to go on: judged from numbers alone, so that each rule is seen here.

Nothing secret is in a finding: of addresses scheme, host, port and path, of variables the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.requirements import InvalidRequirement, Requirement

_MB = 10**6
#: What a run takes for itself, measured: the run 75 MB, its Prefect server 115, scheduler and fork server 60; with
#: results coming in it is some 300, and what is not there for a moment is not missed.
BASE_MEMORY_BYTES = 400 * _MB
NODE_MEMORY_BYTES = 30 * _MB
SLOT_MEMORY_BYTES = 20 * _MB
#: The first run in a state directory takes 25 MB, each test about 1 kB and what it writes.
LITTLE_DISK_BYTES = 1000 * _MB
NO_DISK_BYTES = 100 * _MB
#: Run, server, scheduler, fork server and their helpers.
_BASE_PROCESSES = 10
#: A body with its keeper and a process that it may start.
_PROCESSES_PER_SLOT = 3
_TESTED_PYTHONS = ((3, 11), (3, 13))
#: File systems over a network: locks and the sharing of memory are not what DuckDB and SQLite need.
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "sshfs", "fuse.sshfs", "glusterfs", "lustre", "ceph", "beegfs")
#: `sun_path` holds 107 bytes; a node's sockets stand some way below the temporary directory.
_LONGEST_TEMPORARY = 50
_SKEW_SECONDS = 2.0


class Grade(StrEnum):
    """How bad it is; the last is the worst."""

    OK = "ok"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, what was found, and what to do where that is not well."""

    name: str
    grade: Grade
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What a run takes of this machine, without what its tests take.

    Attributes:
        nodes: how many nodes it starts here.
        slots: how many tests run at once.
    """

    nodes: int
    slots: int

    @property
    def memory_bytes(self) -> int:
        return BASE_MEMORY_BYTES + self.nodes * NODE_MEMORY_BYTES + self.slots * SLOT_MEMORY_BYTES

    @property
    def processes(self) -> int:
        return _BASE_PROCESSES + self.nodes + self.slots * _PROCESSES_PER_SLOT


def worst(findings: Sequence[Finding]) -> Grade:
    """The worst grade of all."""
    return max((finding.grade for finding in findings), key=list(Grade).index, default=Grade.OK)


def judge_python(version: tuple[int, int, int], system: str, place: str) -> Finding:
    """The interpreter that PulseQ runs under, on its system (`linux`)."""
    told = f"{'.'.join(map(str, version))} on {system}, {place}"
    if system != "linux":
        return Finding("python", Grade.BAD, told, "this version runs on Linux alone")
    first, last = _TESTED_PYTHONS
    if not first <= version[:2] <= last:
        wanted = f"{'.'.join(map(str, first))} to {'.'.join(map(str, last))}"
        return Finding("python", Grade.ATTENTION, told, f"it was tested with {wanted}")
    return Finding("python", Grade.OK, told)


def judge_libraries(wanted: Sequence[str], installed: Mapping[str, str]) -> Finding:
    """Versions of libraries against what our package asks for.

    Args:
        wanted: requirements, as a package's metadata has them.
        installed: versions by the names in `wanted`; what is not there is not in it.
    """
    wrong, told = [], []
    for line in wanted:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = installed.get(requirement.name)
        told.append(f"{requirement.name} {version or 'missing'}")
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name}{requirement.specifier}")
    if wrong:
        advice = f"expected {', '.join(wrong)}: install PulseQ anew, with its constraints file"
        return Finding("libraries", Grade.BAD, ", ".join(told), advice)
    return Finding("libraries", Grade.OK, ", ".join(told))


def judge_memory(total: int, available: int, need: Need) -> Finding:
    """Bytes of memory, and what a run takes before its tests take any."""
    told = f"{_say_size(available)} of {_say_size(total)} free; a run takes about {_say_size(need.memory_bytes)}"
    if available < need.memory_bytes:
        return Finding("memory", Grade.BAD, told, "end what else runs here, or take fewer nodes (-n)")
    if available < 2 * need.memory_bytes:
        return Finding("memory", Grade.ATTENTION, told, "little is left for the tests themselves")
    return Finding("memory", Grade.OK, told)


def judge_processors(usable: int, slots: int, load: float) -> Finding:
    """Processors that this process may use, the slots of a run here, and the load of the last minute."""
    told = f"{usable} usable, load {load:.1f}; a run here has {slots} slot{'' if slots == 1 else 's'}"
    if load > 2 * usable:
        return Finding("processors", Grade.ATTENTION, told, "others are at work here: times will be longer")
    return Finding("processors", Grade.OK, told)


def judge_disk(name: str, place: str, free: int, kind: str, trouble: str = "") -> Finding:
    """A directory that runs write in: its free bytes, its file system, and why it cannot be written if so."""
    told = f"{place}: {_say_size(free)} free, {kind or 'file system unknown'}"
    if trouble:
        return Finding(name, Grade.BAD, f"{told}; {trouble}", "make it writable for this user, or choose another")
    if free < NO_DISK_BYTES:
        return Finding(name, Grade.BAD, told, "make room")
    if kind.startswith(_NETWORK):
        return Finding(name, Grade.ATTENTION, told, "locks need a local disk: choose a directory on one")
    if free < LITTLE_DISK_BYTES:
        return Finding(name, Grade.ATTENTION, told, "make room: artefacts of tests may need more")
    return Finding(name, Grade.OK, told)


def judge_temporary(finding: Finding, place: str) -> Finding:
    """The same of the temporary directory, in which sockets stand as well."""
    if finding.grade is Grade.OK and len(place.encode("utf-8", "replace")) > _LONGEST_TEMPORARY:
        advice = "sockets below it have room for 107 bytes in all: set TMPDIR to a shorter one"
        return Finding(finding.name, Grade.ATTENTION, finding.found, advice)
    return finding


def judge_files(soft: int | None, hard: int | None, wanted: int) -> Finding:
    """The limits on open files of a process (None is no limit), and how many a run here takes."""
    told = f"{_say_limit(soft)} open at once, {_say_limit(hard)} if asked for; a run takes {wanted}"
    if hard is not None and hard < wanted:
        return Finding("files", Grade.BAD, told, "raise the limit (`ulimit -Hn`), or take fewer nodes (-n)")
    if soft is not None and soft < 1024:
        return Finding("files", Grade.ATTENTION, told, "tests have this limit too: `ulimit -n 1024` before a run")
    return Finding("files", Grade.OK, told)


def judge_processes(limit: int | None, used: int, need: Need) -> Finding:
    """The limit on processes and threads (None is none), how many there are, and how many a run here takes."""
    told = f"{used} of {_say_limit(limit)}; a run takes about {need.processes}"
    if limit is not None and limit - used < need.processes:
        advice = "raise the limit (`ulimit -u`, or the container's on pids), or take fewer slots"
        return Finding("processes", Grade.BAD, told, advice)
    return Finding("processes", Grade.OK, told)


def judge_clock(here: str, skew_seconds: float, from_future_seconds: float) -> Finding:
    """The clock beside that of the file system, and beside the newest file of the state directory."""
    if from_future_seconds > _SKEW_SECONDS:
        told = f"{here}, and a file of the state directory is {from_future_seconds:.0f} s younger than now"
        return Finding("clock", Grade.ATTENTION, told, "the clock was set back: the order of runs may look wrong")
    if abs(skew_seconds) > _SKEW_SECONDS:
        told = f"{here}, {abs(skew_seconds):.0f} s {'behind' if skew_seconds > 0 else 'ahead of'} the file system's"
        return Finding("clock", Grade.ATTENTION, told, "keep the clocks of this machine and its disk together (NTP)")
    return Finding("clock", Grade.OK, here)


def judge_ports(low: int, high: int, trouble: str = "") -> Finding:
    """Whether a port on loopback can be opened and reached, and the range that free ones are taken from."""
    told = f"free ones from {low} to {high} on 127.0.0.1"
    if trouble:
        return Finding("ports", Grade.BAD, f"{told}; {trouble}", "let programs of this machine speak on loopback")
    return Finding("ports", Grade.OK, told)


def judge_proxy(names: Sequence[str]) -> Finding:
    """Variables that name a proxy; runs reach their own servers without it."""
    return Finding("proxy", Grade.OK, f"{', '.join(sorted(names))} set, not asked for 127.0.0.1" if names else "none")


def _say_size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size, 0) // _MB} MB"


def _say_limit(limit: int | None) -> str:
    return "any number" if limit is None else str(limit)
