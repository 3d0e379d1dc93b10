"""Whatever a suite patches in the standard library, our code in its process works as before."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulseq.execution import runtime
from pulseq.execution.runtime import originals

RUNTIME = Path(runtime.__file__).parent
SOURCES = {file.stem: ast.parse(file.read_text()) for file in RUNTIME.glob("*.py") if file.stem != "originals"}
VIEWED = {module.__name__ for module in originals.VIEWED}


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules of the standard library that a source imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in sys.stdlib_module_names)


def looked_up(tree: ast.Module) -> Iterator[str]:
    """What a source looks up in viewed modules, by full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            module, _, name = ast.unparse(node).rpartition(".")
            module = module.replace("os.path", "posixpath")
            if module in VIEWED:
                yield f"{module}.{name}"


@pytest.mark.parametrize("name", SOURCES)
def test_each_module_that_ours_use_is_viewed_or_meant_to_be_the_live_one(name: str) -> None:
    strangers = {
        module
        for module in imported(SOURCES[name])
        if module not in VIEWED and not {module, module.split(".")[0]} & originals.LIVE
    }
    assert set() == strangers


#: Loads the package under its private name, as a program of it does.
PROLOGUE = f"""
import builtins, importlib, os, runpy, socket, sys, tempfile
runpy.run_path({str(RUNTIME / "__main__.py")!r})["load_package"]()
RUNTIME = {{
    name: importlib.import_module("_pulseq_runtime." + name)
    for name in {sorted(SOURCES.keys() - {"__init__", "__main__"})!r}
}}
from _pulseq_runtime import originals
"""

#: Has all that ours look up raise, then uses what ours need while a test runs.
WITHOUT_A_LIBRARY = """
def refuse(*arguments, **options):
    raise RuntimeError("the suite has patched this")

wire, metric, events, turns = (RUNTIME[name] for name in ("wire", "metric", "pytest_events", "pytest_turns"))
directory = tempfile.mkdtemp()
child = os.fork()
if child == 0:
    RUNTIME["process_tree"].die_with_parent()
    importlib.import_module("signal").pause()
here, there = socket.socketpair()
for full in LOOKED_UP:
    module, _, name = full.rpartition(".")
    found = getattr(sys.modules[module], name, None)
    if callable(found) and not (isinstance(found, type) and issubclass(found, BaseException)):
        setattr(sys.modules[module], name, refuse)
builtins.open = refuse

wire.send(here, {"op": "start", "items": ["ä", 1.5, None]})
said = [wire.receive(there)]

private = RUNTIME["body_environment"].PrivateDirectory(directory)
os.environ["PULSEQ_METRICS"] = private.metrics
metric.metric("queries", 3)
said.append(metric.parse_metrics(private.read_metrics()))
said.append(private.remove())

dealt = turns.Turns()
dealt.deal(3)
said.append([turns.take_turn(dealt.read_fd), dealt.take_back(5), dealt.close()])

path = directory + "/events"
reader, writer = events.EventReader(path), events.EventWriter(path)
writer.add("logstart", nodeid="t", location=("f", 1, "t"))
writer.flush()
said.append(list(reader.read()))

said.append(RUNTIME["process_tree"].descendants() == [child])
RUNTIME["process_tree"].kill_descendants(0)
said.append(RUNTIME["process_tree"].descendants() == [])

moment, later = RUNTIME["pytest_runner"].Moment(), RUNTIME["pytest_runner"].Moment()
said.append([0 < moment.monotonic <= later.monotonic, 1e9 < moment.clock, 1e6 < moment.peak_bytes])
sys.stdout.write(repr(said))
"""
SAID = [
    {"op": "start", "items": ["ä", 1.5, None]},
    ({"queries": 3.0}, []),
    True,
    [True, 2, None],
    [("logstart", {"nodeid": "t", "location": ("f", 1, "t")})],
    True,
    True,
    [True, True, True],
]


def in_a_process(code: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """What comes of this code in a process that has the package under its private name."""
    command = [sys.executable, "-c", PROLOGUE + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def without_a_library(first: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    names = sorted({name for tree in SOURCES.values() for name in looked_up(tree)})
    code = f"{first}\nLOOKED_UP = {names!r}\n{WITHOUT_A_LIBRARY}"
    return in_a_process(code, env={"TMPDIR": str(tmp_path)})


@pytest.mark.processes
def test_ours_work_while_all_that_they_look_up_raises(tmp_path: Path) -> None:
    done = without_a_library("originals.bind('_pulseq_runtime')", tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    assert ast.literal_eval(done.stdout) == SAID


@pytest.mark.processes
def test_ours_would_not_without_the_views(tmp_path: Path) -> None:
    assert "RuntimeError: the suite has patched this" in without_a_library("", tmp_path).stderr


@pytest.mark.processes
def test_what_is_loaded_later_is_bound_at_the_next_call() -> None:
    done = in_a_process("""
import types, time
late = sys.modules["_pulseq_runtime.late"] = types.ModuleType("_pulseq_runtime.late")
late.time = time
originals.bind("_pulseq_runtime")
time.time = lambda: 0.0
print(late.time.time() > 0, late.time is not time)
""")
    assert ("True True\n", "") == (done.stdout, done.stderr)


@pytest.mark.processes
def test_the_librarys_own_modules_stay_as_they_were() -> None:
    done = in_a_process("""
import json, os, tempfile, time
before = [dict(vars(module)) for module in (json, os, tempfile, time)]
originals.bind("_pulseq_runtime")
print(before == [vars(module) for module in (json, os, tempfile, time)])
""")
    assert ("True\n", "") == (done.stdout, done.stderr)


@pytest.mark.processes
def test_what_is_patched_is_told_by_its_full_name() -> None:
    done = in_a_process("""
import pytest, socket, threading, time
said = [originals.patched()]
threading.excepthook = print  # pytest's own doing
time.sleep = print
socket.socket = type("socket", (), {})
os.EX_OK = 7
said.append(originals.patched())
print(said)
""")
    assert ([[], ["socket.socket", "time.sleep"]], "") == (ast.literal_eval(done.stdout), done.stderr)


#: What a suite may have of the world: clocks that stand still, and things that are not there.
PATCHES = """
    import builtins, json, os, select, socket, time
    import pytest

    def refuse(*arguments, **options):
        raise RuntimeError("there is none")

    def miss(*arguments, **options):
        raise FileNotFoundError("no such file")

    CALM = [(time, "monotonic", lambda: 5.0), (time, "time", lambda: 7.0), (time, "sleep", lambda seconds: None)]
    CALM += [(os, "getpid", lambda: 1), (json, "dumps", refuse), (select, "poll", refuse), (socket, "socket", refuse)]
    CALM += [(os, "read", refuse), (os, "write", refuse)]
    WILD = [(builtins, "open", miss), (os, "stat", miss)]
"""
TESTS = """
    import os, time
    def test_passes(): assert (time.monotonic(), time.time(), os.getpid()) == (5.0, 7.0, 1)
    def test_fails(): assert time.time() == 8.0
    def test_raises(): os.write(1, b"")
    def test_skips(): pytest.skip("not here")
    @pytest.mark.xfail(raises=RuntimeError)
    def test_xfails(): os.read(0, 1)
    @pytest.mark.parametrize("hung", [False, True])
    def test_last(hung):
        while hung and "HUNG" in os.environ: pass
"""
IN_A_TEST = """
    from patches import *
    @pytest.fixture(autouse=True)
    def patched(monkeypatch):
        for place, name, value in CALM + WILD:
            monkeypatch.setattr(place, name, value)
"""
IN_A_MODULE = """
    from patches import *
    @pytest.fixture(scope="module", autouse=True)
    def patched():
        with pytest.MonkeyPatch.context() as monkeypatch:
            for place, name, value in CALM + WILD:
                monkeypatch.setattr(place, name, value)
            yield
"""
FOR_GOOD = """
    from patches import *
    for place, name, value in CALM:
        setattr(place, name, value)
"""
EXPECTED = {
    "test_passes": "passed",
    "test_fails": "failed",
    "test_raises": "failed",
    "test_skips": "skipped",
    "test_xfails": "skipped",
    "test_last[False]": "passed",
    "test_last[True]": "passed",
}
WAYS = {
    "test": {"test_patched.py": IN_A_TEST + TESTS},
    "module": {"test_patched.py": IN_A_MODULE + TESTS},
    "for good": {"conftest.py": FOR_GOOD, "test_patched.py": "    import pytest" + TESTS},
}


def files_of(way: str) -> dict[str, str]:
    return {"patches.py": PATCHES, "pytest.ini": "[pytest]\npythonpath = .\n", **WAYS[way]}


@pytest.mark.parametrize("way", WAYS)
def test_pytest_alone_survives_what_these_suites_patch(way: str, suite: Any) -> None:
    folder = suite(files_of(way))
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder.path, capture_output=True, text=True)
    found = re.findall(r"^(PASSED|FAILED|XFAIL) test_patched\.py::(\S+)", done.stdout, re.MULTILINE)
    words = {"PASSED": "passed", "FAILED": "failed", "XFAIL": "skipped"}
    skipped = {"test_skips": "skipped"}  # pytest does not name it
    assert EXPECTED == {name: words[word] for word, name in found} | skipped
    assert "SKIPPED [1] " in done.stdout


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
@pytest.mark.parametrize("way", WAYS)
def test_a_patched_suite_gets_pytests_verdicts_and_sane_times(way: str, isolation: str, suite: Any) -> None:
    began = time.time()
    run = suite(files_of(way)).run(isolation=isolation, pack=3)
    ended = time.time()
    assert EXPECTED == run.verdicts()
    for result in run.results:
        assert began <= result.started_at <= ended
        assert 0 < result.duration <= ended - began


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
@pytest.mark.parametrize("way", WAYS)
def test_the_timeout_fires_while_the_clocks_stand_still(way: str, isolation: str, suite: Any) -> None:
    run = suite(files_of(way)).run(
        isolation=isolation, targets=["test_patched.py::test_last"], timeout=0.3, env=(("HUNG", "1"),)
    )
    hung = run["test_last[True]"]
    assert ("passed", "error", "timeout") == (run["test_last[False]"].status, hung.status, hung.reason)
