"""The walls between the rooms: imports go down only, and each outside thing has one address."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import runpy
import sys
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path

import pytest

from tests.sources import nodes_of, parse

ROOT = Path(__file__).parent.parent
FLOORS = (
    {"artifacts", "bounds", "errors", "marks", "models", "fleet", "project"}
    | {"pytest_sessions", "events", "records", "runtime"},
    {"background", "blobs", "blotting", "capabilities", "ownership", "safe_text"},
    {"processes", "protocol", "security"},
    {"planning", "projects", "suites", "execution", "results", "reports"},
    {"pulseq"},  # the package itself: its version, and what a test body may import
    {"cluster"},
    {"orchestration"},
    {"node"},
    {"standing"},
    {"run"},
    {"distributed"},
    {"cli", "flows"},
    {"__main__"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
RUNTIME = "pulseq.execution.runtime"
ADDRESSES = {
    "duckdb": ("pulseq.results.database",),
    # `preload` loads both in the process that nodes are forked from.
    "prefect": ("pulseq.orchestration", "pulseq.processes.preload", "flows"),
    "prefect_dask": ("pulseq.orchestration.task_runner",),
    "cryptography": ("pulseq.security.authority", "pulseq.security.credentials_file"),
    **dict.fromkeys(
        ("distributed", "dask"),
        (
            "pulseq.cluster",
            "pulseq.node.node_agent",  # a node is a worker of Dask's
            "pulseq.node.node_on_worker",
            "pulseq.node.joining",
            "pulseq.node.node_process",
            "pulseq.node.preload",
            "pulseq.orchestration.task_runner",
            "pulseq.processes.preload",
            "pulseq.security.tls",
            "pulseq.standing.standing_nodes",
        ),
    ),
}
#: All that a node knows besides what it stands on: the program may be alone on its machine.
KNOWN_TO_NODES = (
    *(
        f"pulseq.{room}"
        for room in (
            "artifacts",
            "background",
            "blobs",
            "blotting",
            "bounds",
            "capabilities",
            "errors",
            "fleet",
            "models",
            "pytest_sessions",
            "ownership",
            "project",
            "protocol",
            "execution",
            "processes",
            "security",
        )
    ),
    "pulseq.node",
    "pulseq.orchestration.quiet_settings",  # names and values of variables
    "pulseq.orchestration.task_runs",  # the one module that makes task runs
)
#: Modules without a test file at the same path, where they are tested, and why not there.
TESTED_ELSEWHERE: Mapping[str, str] = {
    "pulseq.node.on_its_own": "tests/system/test_joined_nodes: signals and silence of a whole process",
    "pulseq.__main__": "tests/system: one call, which every command line there goes through",
    "pulseq.cli.run_host": "tests/cli/test_handover: it is the other end of what hands over",
    **dict.fromkeys(
        ("pulseq.cli.serve", "pulseq.cli.setup", "pulseq.orchestration.prefect_client", "pulseq.orchestration.serving"),
        "tests/system/test_deployments: calls of a whole Prefect server, which is there alone",
    ),
    **dict.fromkeys(
        ("pulseq.cluster.scheduler_process", "pulseq.orchestration.api_server"),
        "tests/system: a process of its own, which every run there starts and ends",
    ),
    "pulseq.run.run_processes": "tests/system: a run from its beginning to its end, which only a whole run has",
    **dict.fromkeys(
        ("pulseq.distributed.local_backend", "pulseq.distributed.open_run"),
        "tests/system/test_python_api: what the documented names do on real nodes",
    ),
    **dict.fromkeys(
        (
            "pulseq.execution.pytest_lines",
            "pulseq.execution.runtime.pytest_fork",
            "pulseq.execution.runtime.pytest_process",
        ),
        "tests/execution/test_pytest_session: sides of one line, which has to be whole to be heard",
    ),
    **dict.fromkeys(
        ("pulseq.execution.runtime.pytest_guardian", "pulseq.execution.runtime.pytest_zygote"),
        "tests/execution/test_shared_zygote: the far ends of what is tested there, in processes of their own",
    ),
    "pulseq.execution.runtime.__main__": "tests/execution/runtime/test_launcher, which starts it rightly and wrongly",
    "pulseq.execution.runtime.forked_body": "tests/execution/runtime/test_keeper: what a keeper forks, and only there",
    "pulseq.orchestration.quiet_settings": "tests/orchestration/test_prefect_contract: Prefect knows each of them",
    "pulseq.orchestration.task_process": "tests/node/test_task_processes: the process that is asked there",
    "pulseq.orchestration.task_runner": "tests/system: a flow's own, which only a whole run has",
    **dict.fromkeys(
        ("pulseq.cluster.host_link", "pulseq.cluster.ssh_forwards"),
        "tests/cluster/test_ssh_host: a connection, what it forwards, and the host that has it",
    ),
    "pulseq.processes.node_forks": "tests/cluster/test_ssh_host, and every run of tests/system: it starts nodes",
    "pulseq.processes.fork_process": "tests/processes/test_fork_server: the process that is asked there to fork",
}

#: Dotted name to source text.
Modules = dict[str, str]
Wall = Callable[[Modules], Iterator[str]]


@functools.cache
def read_modules(root: Path) -> Modules:
    files = [file for top in ("pulseq", "flows") for file in sorted((root / top).rglob("*.py"))]
    return {".".join(file.relative_to(root).with_suffix("").parts): file.read_text() for file in files}


def for_types_alone(tree: ast.Module) -> set[ast.AST]:
    """What is under `if TYPE_CHECKING:`, and never happens."""
    guards = [
        node for node in nodes_of(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" == getattr(node.test, "id", "")
    ]
    return {node for guard in guards for statement in guard.body for node in ast.walk(statement)}


@functools.cache
def import_statements(text: str) -> tuple[ast.AST, ...]:
    return tuple(node for node in nodes_of(parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom)))


def imports_in(name: str, modules: Modules, *, left_out: Container[ast.AST] = ()) -> Iterator[str]:
    """What a module imports, wherever in its text; names that are modules of ours in full."""
    for node in import_statements(modules[name]):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                yield deeper if deeper in modules or f"{deeper}.__init__" in modules else base


def find_imports(modules: Modules) -> Iterator[tuple[str, str]]:
    return ((name, target) for name in modules for target in imports_in(name, modules))


def inside(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def room_of(name: str) -> str:
    """The room of a module of ours; empty for others."""
    parts = name.removesuffix(".__init__").split(".")
    if inside(name, RUNTIME):
        return "runtime"  # it lies in `execution`, and knows nothing of PulseQ: every room may use it
    if parts[0] not in ("pulseq", "flows"):
        return ""
    return parts[1] if parts[0] == "pulseq" and len(parts) > 1 else parts[0]


def imports_that_do_not_go_down(modules: Modules) -> Iterator[str]:
    for name, target in find_imports(modules):
        here, there = room_of(name), room_of(target)
        if there and there != here and FLOOR[there] >= FLOOR[here] and FLOOR[there] > 0:
            yield f"{name} imports {target}"


def cycles_of_imports(modules: Modules) -> Iterator[str]:
    graph = {
        name: {
            target for target in imports_in(name, modules, left_out=for_types_alone(parse(text))) if target in modules
        }
        for name, text in modules.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield " <- ".join(error.args[1])


def strangers_away_from_their_address(modules: Modules) -> Iterator[str]:
    for name, target in find_imports(modules):
        if (places := ADDRESSES.get(target.split(".")[0])) and not inside(name, *places):
            yield f"{name} imports {target}"


def execution_that_knows_more_than_it_stands_on(modules: Modules) -> Iterator[str]:
    for name, target in find_imports(modules):
        below = ("models", "pytest_sessions", "errors", "execution", "processes", "protocol")
        known = inside(target, *(f"pulseq.{room}" for room in below))
        if inside(name, "pulseq.execution") and inside(target, "pulseq") and not known:
            yield f"{name} imports {target}"


def nodes_that_know_more_than_they_need(modules: Modules) -> Iterator[str]:
    for name, target in find_imports(modules):
        if (
            inside(name, "pulseq.node")
            and room_of(target) not in ("", "pulseq")
            and not inside(target, *KNOWN_TO_NODES)
        ):
            yield f"{name} imports {target}"


def runtime_that_needs_more_than_python(modules: Modules) -> Iterator[str]:
    for name, target in find_imports(modules):
        for_pytest = name.startswith(f"{RUNTIME}.pytest_") and inside(target, "pytest", "_pytest")
        allowed = for_pytest or inside(target, RUNTIME) or target.split(".")[0] in sys.stdlib_module_names
        if inside(name, RUNTIME) and not allowed:
            yield f"{name} imports {target}"


def runtime_that_an_old_python_cannot_read(modules: Modules) -> Iterator[str]:
    for name in modules:
        if inside(name, RUNTIME):
            try:
                ast.parse(modules[name], feature_version=(3, 9))
            except SyntaxError as error:
                yield f"{name}: {error.msg}"


#: Each wall with a file that breaks it, and what is then said.
WALLS: tuple[tuple[Wall, str, str, str], ...] = (
    (imports_that_do_not_go_down, "results/a.py", "import pulseq.node.b", "pulseq.results.a imports pulseq.node.b"),
    (
        imports_that_do_not_go_down,
        "suites/a.py",
        "from pulseq import results",
        "pulseq.suites.a imports pulseq.results",
    ),
    (imports_that_do_not_go_down, "models.py", "import pulseq.planning.b", "pulseq.models imports pulseq.planning.b"),
    (cycles_of_imports, "results/a.py", "def f():\n    from . import a", "pulseq.results.a <- pulseq.results.a"),
    (strangers_away_from_their_address, "cli/a.py", "import duckdb", "pulseq.cli.a imports duckdb"),
    (
        strangers_away_from_their_address,
        "cli/a.py",
        "if f():\n    from prefect.states import Failed",
        "pulseq.cli.a imports prefect.states",
    ),
    (
        execution_that_knows_more_than_it_stands_on,
        "execution/a.py",
        "from pulseq.events import RunNote",
        "pulseq.execution.a imports pulseq.events",
    ),
    (
        nodes_that_know_more_than_they_need,
        "node/a.py",
        "from pulseq.orchestration.task_runs import TaskRuns\nimport pulseq.orchestration.delivery",
        "pulseq.node.a imports pulseq.orchestration.delivery",
    ),
    (
        runtime_that_needs_more_than_python,
        "execution/runtime/a.py",
        "import pytest",
        f"{RUNTIME}.a imports pytest",
    ),
    (
        runtime_that_needs_more_than_python,
        "execution/runtime/pytest_a.py",
        "from pulseq.models import Status",
        f"{RUNTIME}.pytest_a imports pulseq.models",
    ),
    (
        runtime_that_an_old_python_cannot_read,
        "execution/runtime/a.py",
        "match 1:\n    case 1:\n        pass",
        f"{RUNTIME}.a: Pattern matching is only supported in Python 3.10 and greater",
    ),
)


@pytest.mark.parametrize("wall", dict.fromkeys(wall for wall, *_ in WALLS), ids=lambda wall: wall.__name__)
def test_there_are_none_of(wall: Wall) -> None:
    assert list(wall(read_modules(ROOT))) == []


@pytest.mark.parametrize(("wall", "file", "source", "breach"), WALLS)
def test_a_breach_is_told(wall: Wall, file: str, source: str, breach: str, tmp_path: Path) -> None:
    for name, text in {"results/__init__.py": "", file: source}.items():
        path = tmp_path / "pulseq" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert [breach] == list(wall(read_modules(tmp_path)))


def test_the_page_on_architecture_names_the_rooms_that_there_are() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    named = set(re.findall(r"(?m)^\| `(\w+)` \|", page))
    assert named == {folder.parent.name for folder in (ROOT / "pulseq").glob("*/__init__.py")}


def test_the_page_on_architecture_names_files_that_there_are() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)(?:`| )", page)) - {"execution/runtime/body_NAME.py"}
    assert len(named) > 20
    assert set() == {name for name in named if not any((ROOT / top / name).is_file() for top in ("", "pulseq"))}


def test_the_page_on_architecture_names_what_is_in_its_files() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)` \(`(\w+)`\)", page))
    assert len(named) > 5
    texts = {file: (ROOT / "pulseq" / file).read_text() for file, _ in named}
    made = r"(?m)^ *(?:async )?(?:def |class )?%s\b[^.]"
    assert set() == {(file, name) for file, name in named if not re.search(made % name, texts[file])}


def test_the_drawing_of_the_rooms_is_of_these_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made anew by `python docs/explanation/rooms.py`."""
    monkeypatch.setattr(ast, "parse", parse)  # the walls have parsed all of it
    script = runpy.run_path(str(ROOT / "docs" / "explanation" / "rooms.py"))

    assert script["PICTURE"].read_text() == script["draw"](script["find_edges"]())


def test_the_drawing_stands_each_room_above_what_it_imports_and_says_when_there_is_none() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "explanation" / "rooms.py"))
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set()}

    assert [["a"], ["b"], ["c"]] == script["place"](graph)
    assert {"a": {"b"}, "b": {"c"}, "c": set()} == script["reduce"](graph)
    with pytest.raises(ValueError, match="import each other: a, b"):
        script["place"]({"a": {"b"}, "b": {"a"}})


def test_duckdb_is_imported_in_one_file() -> None:
    importers = {name for name, target in find_imports(read_modules(ROOT)) if inside(target, "duckdb")}
    assert importers == {"pulseq.results.database"}


def place_of_tests(module: str) -> Path:
    """Where a module's tests stand: at the same path."""
    *rooms, stem = module.removeprefix("pulseq.").split(".")
    return ROOT.joinpath("tests", *rooms, f"test_{stem}.py")


def test_every_module_has_a_test_file_at_its_path() -> None:
    modules = {name for name in read_modules(ROOT) if not name.endswith("__init__")}

    assert {name for name in modules if not place_of_tests(name).exists()} - TESTED_ELSEWHERE.keys() == set()


def test_what_is_tested_elsewhere_is_there_and_has_no_file_of_its_own() -> None:
    assert TESTED_ELSEWHERE.keys() - read_modules(ROOT).keys() == set()
    assert [] == [name for name in TESTED_ELSEWHERE if place_of_tests(name).exists()]
