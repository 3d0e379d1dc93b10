"""The walls between the rooms: imports go down only, and each outside thing has one address."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import sys
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = (
    {"bounds", "errors", "models", "events", "records", "runtime"},
    {"background", "capabilities", "ownership"},
    {"processes", "protocol"},
    {"planning", "suites", "execution", "results", "reports"},
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
    **dict.fromkeys(
        ("distributed", "dask"),
        (
            "pulseq.cluster",
            "pulseq.node.node_agent",  # a node is a worker of Dask's
            "pulseq.node.node_process",
            "pulseq.orchestration.task_runner",
            "pulseq.processes.preload",
            "pulseq.standing.standing_nodes",
        ),
    ),
}
#: All that a node knows besides what it stands on: the program may be alone on its machine.
KNOWN_TO_NODES = (
    *(
        f"pulseq.{room}"
        for room in ("background", "bounds", "errors", "models", "ownership", "protocol", "execution", "processes")
    ),
    "pulseq.node",
    "pulseq.orchestration.task_runs",  # the one module that makes task runs
)
_BY_RUNS = "tests/system, whose real runs go through it"
#: Modules without a test file of their own name, and where they are tested.
TESTED_ELSEWHERE: Mapping[str, str] = {
    "pulseq.__main__": "tests/system, one call",
    **dict.fromkeys(("pulseq.cli.entry", "pulseq.cli.run_host"), "tests/cli/test_handover"),
    "pulseq.errors": "every test of a refusal",
    "pulseq.events": "tests/results/test_codec, each event there and back",
    "pulseq.models": "every test",
    "pulseq.records": "tests/results/test_journal and tests/reports",
    "pulseq.results.schema_files": "tests/results/test_database",
    **dict.fromkeys(("pulseq.results.catalogue", "pulseq.results.row_stamps"), "tests/results/test_sync"),
    "pulseq.results.stored_run": "tests/system, where summaries agree",
    "pulseq.reports.sections": "tests/reports/test_summary",
    **dict.fromkeys((f"pulseq.cli.{stem}" for stem in ("execute", "results", "common_options")), _BY_RUNS),
    **dict.fromkeys((f"pulseq.cli.{stem}" for stem in ("main", "summary")), _BY_RUNS),
    **{
        f"pulseq.run.{stem}": _BY_RUNS
        for stem in ("collecting", "conduct", "dispatcher", "event_log", "run_options", "run_session", "stopping")
    },
    "pulseq.orchestration.prefect_client": "tests/system/test_deployments",
    **dict.fromkeys(
        ("pulseq.cli.serve", "pulseq.cli.setup", "pulseq.orchestration.serving"),
        "tests/system/test_deployments",
    ),
    "pulseq.run.run_request": _BY_RUNS,
    "pulseq.run.work_orders": _BY_RUNS,
    **dict.fromkeys(
        (f"pulseq.distributed.{stem}" for stem in ("local_backend", "open_run", "session_runs")),
        "tests/system/test_python_api",
    ),
    **dict.fromkeys(
        (
            f"pulseq.cluster.{stem}"
            for stem in (
                "cluster",
                "local_nodes",
                "node_watch",
                "scheduler_address",
                "scheduler_process",
            )
        ),
        _BY_RUNS,
    ),
    "pulseq.node.node_process": _BY_RUNS,
    **dict.fromkeys(
        (
            f"pulseq.orchestration.{stem}"
            for stem in ("api_address", "api_client", "api_server", "flow_run", "server_process")
        ),
        _BY_RUNS,
    ),
    **dict.fromkeys((f"pulseq.protocol.{stem}" for stem in ("from_node", "to_node")), "tests/protocol/test_coding"),
    "pulseq.protocol.names": "tests/protocol/test_work",
    **dict.fromkeys(("pulseq.standing.known_api", "pulseq.standing.kept_auth"), "tests/standing/test_kept_auth"),
    "pulseq.orchestration.api_auth": "tests/standing/test_kept_auth",
    "pulseq.orchestration.quiet_settings": "tests/orchestration/test_prefect_contract",
    "pulseq.orchestration.task_runner": _BY_RUNS,
    "pulseq.orchestration.task_process": "tests/node/test_task_processes",
    **{
        f"pulseq.execution.{stem}": "tests/execution/test_pytest_session"
        for stem in ("pytest_lines", "runtime.pytest_fork", "runtime.pytest_process")
    },
    **{
        f"pulseq.execution.runtime.{stem}": "tests/execution/test_shared_zygote"
        for stem in ("pytest_guardian", "pytest_zygote")
    },
    "pulseq.processes.fork_process": "tests/processes/test_fork_server",
    "pulseq.execution.runtime.__main__": "every test of a launcher or a zygote",
    "pulseq.execution.runtime.forked_body": "tests/execution/runtime/test_keeper",
}

#: Dotted name to source text.
Modules = dict[str, str]
Wall = Callable[[Modules], Iterator[str]]
parse = functools.cache(ast.parse)


def read_modules(root: Path) -> Modules:
    files = [file for top in ("pulseq", "flows") for file in sorted((root / top).rglob("*.py"))]
    return {".".join(file.relative_to(root).with_suffix("").parts): file.read_text() for file in files}


def for_types_alone(tree: ast.Module) -> set[ast.AST]:
    """What is under `if TYPE_CHECKING:`, and never happens."""
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {node for guard in guards for statement in guard.body for node in ast.walk(statement)}


def imports_in(name: str, modules: Modules, *, left_out: Container[ast.AST] = ()) -> Iterator[str]:
    """What a module imports, wherever in its text; names that are modules of ours in full."""
    for node in ast.walk(parse(modules[name])):
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
        below = ("models", "errors", "execution", "processes", "protocol")
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
        "from pulseq.orchestration.task_runs import TaskRuns\nimport pulseq.orchestration.tasks",
        "pulseq.node.a imports pulseq.orchestration.tasks",
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


def test_duckdb_is_imported_in_one_file() -> None:
    importers = {name for name, target in find_imports(read_modules(ROOT)) if inside(target, "duckdb")}
    assert importers == {"pulseq.results.database"}


def test_every_module_has_a_test_file_of_its_name() -> None:
    stems = {file.stem.removeprefix("test_") for file in (ROOT / "tests").rglob("test_*.py")}
    modules = {name: text for name, text in read_modules(ROOT).items() if not name.endswith("__init__")}
    untested = {name for name in modules if name.rpartition(".")[2] not in stems}
    assert untested - TESTED_ELSEWHERE.keys() == set()
    assert TESTED_ELSEWHERE.keys() - modules.keys() == set()
