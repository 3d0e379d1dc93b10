"""Projects that hosts cannot have, or not be made ready with: a line says what to do, and nothing is left anywhere."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.lab import Lab
from tests.promises import TOLD_SECONDS
from tests.system.fleet_place import RUN, FleetPlace
from tests.system.workplace import Workplace, finish, until

SUITE = """
suite: shop
project:
  prepare: {command: [sh, prepare.sh], inputs: [prepare.sh], outputs: [env], timeout: 2}
tests:
  - {id: one, command: [cat, env/it]}
  - {id: last, command: "while ! test -e /tmp/go; do sleep 0.05; done", shell: true}
"""
#: On each host something else goes wrong.
PREPARE = """
echo no such package
case $(hostname) in
    failing) exit 3 ;;
    hanging) trap '' TERM; setsid sleep 985 & sleep 986 ;;
    careless) exit 0 ;;
esac
mkdir env
echo made > env/it
"""
#: What is said of each host.
TROUBLE = {
    "failing": "prepare failed with exit code 3; its last output:\n  no such package",
    "hanging": "prepare took longer than its timeout of 2 s and was ended; its last output:\n  no such package",
    "careless": "prepare has ended well, and left no 'env', its outputs; its last output:\n  no such package",
    "small": "MB free, expected 114 MB, for the project and 50 MB beside: free some space, name another `directory`",
    "deep": "it cannot have a file named 'aaaa",
}
LARGE_BYTES = 32_000_000
#: A file's whole name may have 4,095 bytes; it has fewer here and on all hosts but one, where projects lie deeper.
LONG_NAME = Path(*["a" * 200] * 17, "deepest")
DEEP = Path("/home/tester", *["d" * 200] * 4)


@pytest.fixture
def place(workplace: Workplace, hosts: Lab) -> FleetPlace:
    workplace.environment |= hosts.environment
    return FleetPlace(workplace, hosts)


def test_hosts_that_cannot_have_a_project_are_told_in_a_line_each_and_the_others_do_the_work(place: FleetPlace) -> None:
    good = place.lab.open_host("good")
    for name in TROUBLE:
        place.lab.open_host(name, size="64M" if name == "small" else "2G")
    suite = place.write_suite(SUITE)
    place.workplace.write("project/prepare.sh", PREPARE)
    place.workplace.write("project/large", "")
    os.truncate(place.workplace.path / "project" / "large", LARGE_BYTES)
    place.workplace.write(f"project/{LONG_NAME}", "")
    nodes = [{"id": host.name, "host": host.name} for host in place.lab.hosts]
    nodes[-1] |= {"ssh": {"directory": str(DEEP)}}
    run = place.workplace.start("run", suite, "--nodes", place.write_nodes(nodes), "--run-id", RUN)

    until(lambda: len(_told(place)) == len(TROUBLE) or run.poll() is not None, "all is told")
    good.write("/tmp/go", "")
    ended = finish(run)
    good.path("/tmp/go").unlink()

    assert 0 == ended.code, ended.err
    told = _told(place)
    assert TROUBLE.keys() == told.keys()
    assert {} == {name: told[name] for name, words in TROUBLE.items() if words not in told[name][1]}
    assert max(seconds for seconds, _ in told.values()) < TOLD_SECONDS
    assert {good.name} == {told["node_id"] for told in place.events("attempt_started")}
    assert [] == [path for path in place.find_left() if not path.startswith(f"on deep: {DEEP.parents[3]}")]


def _told(place: FleetPlace) -> dict[str, tuple[float, str]]:
    """Why each node does not take part, and how long after it was there that was said."""
    lines = place.workplace.journal(RUN)
    there = {line["data"]["node_id"]: line["time"] for line in lines if line["kind"] == "node_joined"}
    notes = [(line["time"], line["data"]["text"]) for line in lines if line["kind"] == "run_note"]
    said = [(moment, *text.removeprefix("node ").split(" cannot take part: ")) for moment, text in notes]
    return {one[1]: (one[0] - there[one[1]], one[2]) for one in said if len(one) == 3}


@contextlib.contextmanager
def _written_to(path: Path) -> Iterator[None]:
    """Somebody writes to it all the time; to read it takes longer than that pauses."""
    os.truncate(path, LARGE_BYTES)
    has_ended = threading.Event()

    def write() -> None:
        with path.open("r+b", buffering=0) as file:
            while not has_ended.wait(0.001):
                os.pwrite(file.fileno(), b"x", 0)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield
    finally:
        has_ended.set()
        writing.join()


#: Tests that need what is not in their project, and what is said of each.
OUTSIDE = {
    "command: [../tool]": "found '../tool' in its command, which is outside of its project",
    "command: [sh, ../beside]": "found '../beside' in its command, which is outside of its project",
    "command: [pwd], cwd: ..": "found cwd ",
    "pytest: ../elsewhere": "found '../elsewhere' for pytest, which is outside of its project",
}


def test_what_cannot_be_sent_is_told_before_anything_runs(place: FleetPlace) -> None:
    (host,) = place.lab(1)
    place.workplace.write("beside", "")
    place.workplace.write("tool", "#!/bin/sh\n").chmod(0o755)
    place.workplace.write("elsewhere/test_it.py", "def test_it(): pass\n")
    growing = place.workplace.write("project/growing.log", "")

    with _written_to(growing):
        suite = place.write_suite("suite: shop\ntests: [{id: one, command: [cat, growing.log]}]\n")
        changing = place.workplace.run("run", suite, "--on", host.name)
    tests = "".join(f"  - {{id: t{number}, {keys}}}\n" for number, keys in enumerate(OUTSIDE))
    outside = place.workplace.run("run", place.write_suite(f"suite: shop\ntests:\n{tests}"), "--on", host.name)

    assert [4, 4] == [changing.code, outside.code], changing.err + outside.err
    assert [1, len(OUTSIDE)] == [ended.err.count("pulseq: ") for ended in (changing, outside)]
    assert "'growing.log' is being written to" in changing.err
    assert [] == [said for n, said in enumerate(OUTSIDE.values()) if f"test 't{n}': {said}" not in outside.err]
    assert [] == list(place.workplace.home.glob("runs/*"))
    assert [] == place.find_left()


@pytest.mark.slow
def test_a_file_outside_that_a_command_may_read_is_noted_and_the_test_that_does_fails(place: FleetPlace) -> None:
    (host,) = place.lab(1)
    place.workplace.write("beside", "")
    suite = place.write_suite("""
suite: shop
tests:
  - {id: reads, command: [cat, ../beside]}
  - {id: only-names, command: [echo, ../beside]}
""")

    ended = place.workplace.run("run", suite, "--on", host.name)

    notes = [line for line in ended.err.splitlines() if "found '../beside' in its command, a file outside" in line]
    assert ["note: test 'reads' and 1 more"] == [note.partition(": found")[0] for note in notes]
    assert 1 == ended.code
    assert "1 failed, 1 passed" in ended.out + ended.err
    assert "cat: ../beside: No such file or directory" in ended.out + ended.err
    assert [] == place.find_left()
