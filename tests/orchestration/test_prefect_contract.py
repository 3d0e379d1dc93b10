"""What PulseQ asks of Prefect beyond its documented interface, held against the Prefect that is installed.

Each file that touches Prefect is named here with the tests that hold it; they are what has to pass before another
minor version of Prefect is allowed in `pyproject.toml`.
"""

from __future__ import annotations

import ast
import inspect
import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.settings import Settings

from pulseq.orchestration.quiet_settings import (
    LEAN_SERVER_SETTINGS,
    NODE_SETTINGS,
    QUIET_SETTINGS,
    STANDING_SERVER_SETTINGS,
)
from tests.sources import nodes_of, parse

ROOT = Path(__file__).parents[2]
_RUNS = "tests/system/test_whole_run.py"
_DEPLOYED = "tests/system/test_deployments.py"
_FLOWS = "tests/system/test_flow_on_nodes.py"
#: Where Prefect is touched, and what holds it.
TOUCHING_POINTS: Mapping[str, tuple[str, ...]] = {
    "pulseq/orchestration/api_client.py": ("tests/orchestration/test_api_client.py", _RUNS),
    "pulseq/orchestration/artifacts.py": ("tests/orchestration/test_artifacts.py", _DEPLOYED),
    "pulseq/orchestration/automations.py": ("tests/orchestration/test_automations.py", _DEPLOYED),
    "pulseq/orchestration/deployments.py": ("tests/orchestration/test_deployments.py", _DEPLOYED),
    "pulseq/orchestration/delivery.py": ("tests/orchestration/test_delivery.py", _RUNS),
    "pulseq/orchestration/flow_run.py": (_RUNS, _DEPLOYED),
    "pulseq/orchestration/node_report.py": (
        "tests/orchestration/test_node_report.py",
        "tests/system/test_node_health.py",
        "tests/system/test_marks.py",
    ),
    "pulseq/orchestration/prefect_client.py": (_DEPLOYED,),
    "pulseq/processes/preload.py": (
        "tests/processes/test_preload.py",
        "tests/system/test_standing.py",
    ),
    "pulseq/orchestration/requirements.py": ("tests/orchestration/test_requirements.py", _FLOWS),
    "pulseq/orchestration/run_names.py": ("tests/orchestration/test_run_names.py", _DEPLOYED),
    "pulseq/orchestration/server_doors.py": ("tests/orchestration/test_server_doors.py", "tests/system/test_doors.py"),
    "pulseq/orchestration/server_process.py": (_RUNS, "tests/orchestration/test_server_database.py"),
    "pulseq/orchestration/serving.py": (_DEPLOYED,),
    "pulseq/orchestration/reconcile.py": (
        "tests/orchestration/test_reconcile.py",
        "tests/system/test_prefect_sync.py",
    ),
    "pulseq/orchestration/task_run_events.py": ("tests/orchestration/test_task_run_events.py", _RUNS),
    "pulseq/orchestration/submitted_task.py": ("tests/orchestration/test_submitted_task.py", _FLOWS),
    "pulseq/orchestration/task_process.py": ("tests/node/test_task_processes.py", _FLOWS),
    "pulseq/orchestration/task_runner.py": (_FLOWS,),
    "pulseq/orchestration/task_runs.py": ("tests/orchestration/test_task_runs.py", _RUNS),
    "flows/maintain_results.py": ("tests/flows/test_maintain_results.py", _DEPLOYED),
    "flows/mark_nodes.py": ("tests/flows/test_mark_nodes.py", "tests/system/test_marks.py"),
    "flows/node_health.py": ("tests/flows/test_node_health.py", "tests/system/test_node_health.py"),
    "flows/run_suite.py": ("tests/flows/test_run_suite.py", _DEPLOYED),
}


def _imports_prefect(path: Path) -> bool:
    names: list[str] = []
    text = path.read_text()
    for node in nodes_of(parse(text)) if "prefect" in text else ():
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return any(name.partition(".")[0] in ("prefect", "prefect_dask") for name in names)


def test_every_file_that_touches_prefect_is_named() -> None:
    found = [path for room in ("pulseq", "flows") for path in (ROOT / room).rglob("*.py") if _imports_prefect(path)]

    assert set() == {str(path.relative_to(ROOT)) for path in found} ^ TOUCHING_POINTS.keys()


def test_what_holds_them_is_there() -> None:
    named = {test for tests in TOUCHING_POINTS.values() for test in tests}

    assert set() == {test for test in named if not (ROOT / test).exists()}


#: Named, not imported: its server takes a second to load, which only who runs this has to wait.
@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        ("prefect.task_engine:run_task_async", {"task", "task_run", "parameters", "return_type"}),
        (
            "prefect:Task.__init__",
            {"name", "retries", "retry_delay_seconds", "timeout_seconds", "retry_condition_fn", "cache_policy"},
        ),
        ("prefect.task_engine:run_task_async", {"task_run_id", "wait_for", "dependencies"}),
        (
            "prefect.task_engine:run_task_sync",
            {"task", "task_run_id", "parameters", "wait_for", "return_type", "dependencies"},
        ),
        ("prefect.utilities.engine:emit_task_run_state_change_event", {"task_run", "initial_state", "validated_state"}),
        ("prefect.utilities.engine:collect_task_run_inputs_sync", {"expr"}),
        ("prefect.events.related:related_resources_from_run_context", {"client"}),
        ("prefect.futures:PrefectConcurrentFuture", {"task_run_id", "wrapped_future"}),
        (
            "prefect.context:AssetContext.from_task_and_inputs",
            {"task", "task_run_id", "task_inputs", "copy_to_child_ctx"},
        ),
        ("prefect.context:hydrated_context", {"serialized_context", "client"}),
        ("prefect_dask.task_runners:DaskTaskRunner.__init__", {"address"}),
        ("prefect_dask.task_runners:DaskTaskRunner.submit", {"task", "parameters", "wait_for", "dependencies"}),
        ("prefect.runner:Runner.__init__", {"limit", "query_seconds", "prefetch_seconds"}),
        ("prefect.runner:Runner.aadd_deployment", {"deployment"}),
        ("prefect.runner:Runner.astop", set()),
        ("prefect.runner:Runner.handle_sigterm", set()),
        ("prefect.client.orchestration:PrefectClient.set_flow_run_state", {"flow_run_id", "state", "force"}),
        ("prefect.server.api.server:create_app", {"settings"}),
        ("prefect.server.database:provide_database_interface", set()),
    ],
)
def test_what_is_called_takes_what_it_is_given(function: str, parameters: set[str]) -> None:
    assert set() == parameters - inspect.signature(pkgutil.resolve_name(function)).parameters.keys()


def test_the_client_has_the_http_client_that_events_and_mending_go_through() -> None:
    assert hasattr(PrefectClient("http://127.0.0.1:9/api")._client, "post")


@pytest.mark.parametrize("settings", [STANDING_SERVER_SETTINGS, LEAN_SERVER_SETTINGS, QUIET_SETTINGS, NODE_SETTINGS])
def test_prefect_knows_the_settings_of_our_servers(
    monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]
) -> None:
    ours = {name: value for name, value in settings.items() if name.startswith("PREFECT_")}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)

    assert Settings()  # it takes their values
    known = json.dumps(Settings.model_json_schema()).upper()
    assert set() == {name for name in ours if f'"{name}"' not in known}
