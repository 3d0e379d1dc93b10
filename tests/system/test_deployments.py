"""Runs that Prefect starts: the commands of the guide, cancelling, automations, serving."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from pulseq.orchestration.quiet_settings import STANDING_SERVER_SETTINGS
from pulseq.processes.loopback import bind_loopback
from tests.system.conftest import open_workplace
from tests.system.site import Site, running
from tests.system.workplace import PATIENCE_SECONDS, Workplace, until

ROOT = Path(__file__).parent.parent.parent
GATE = "import os, time\nwhile not os.path.exists('open'):\n    time.sleep(0.05)\n"
NOTIFY = ["--notify", "custom-webhook/team"]
BLOCK = (
    "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
    "Block(name='team', url='http://127.0.0.1:9', json_data={'text': '{{body}}'}).save('team')"
)
#: Looks every few seconds at nodes that `pulseq up` keeps.
LOOKS = """
deployments:
  - name: looks
    entrypoint: flows/node_health.py:node_health
    work_pool: {name: pulseq}
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
    schedules: [{interval: 5}]
"""
#: Served by somebody's own process, without a pool.
LAPTOP = """
deployments: [{name: laptop, entrypoint: 'flows/run_suite.py:run_suite', schedules: [{interval: 86400}]}]
"""
NODES = """
nodes: [{id: killed}, {id: frozen}, {id: well}]
framework: {heartbeat_interval: 1, node_timeout: 6}
"""
SUITES = {
    "mixed": """
  - {id: passes, command: 'true'}
  - {id: fails, command: [sh, -c, 'exit 3']}
  - {id: slow, timeout: 1, labels: [browserless], command: [sleep, '64.5']}
  - {id: no-node, command: 'true', requirements: {browser: none}}
  - {id: flaky, max_retries: 1, shell: true, command: 'test -f ../../was-here || { touch ../../was-here; exit 1; }'}
""",
    "long": """
  - {id: first, command: 'true', priority: high}
  - {id: long, command: [sleep, '63.5']}
  - {id: last, command: 'true', priority: low}
""",
    "failing": "\n  - {id: fails, command: 'false'}\n",
    "gated": "\n  - {id: gated, command: [python, gate.py], cwd: ../..}\n",
}
STATES = {
    "passes": ("COMPLETED", "Passed"),
    "fails": ("FAILED", "Failed"),
    "slow": ("FAILED", "TimedOut"),
    "flaky": ("COMPLETED", "Flaky"),
    "no-node": ("FAILED", "Unsatisfiable"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Server, pool, deployments and worker, made by the commands of the guide on a fresh PREFECT_HOME."""
    path = tmp_path_factory.mktemp("site")
    for name in ("flows", "deployments"):
        shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", path)
    (path / "gate.py").write_text(GATE)
    for name, tests in SUITES.items():
        (path / "deployments" / "suites" / f"{name}.yaml").write_text(f"suite: {name}\ntests:{tests}")
    with bind_loopback() as free:
        port = free.getsockname()[1]
    with (
        open_workplace(path) as workplace,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api", timeout=PATIENCE_SECONDS) as api,
    ):
        workplace.environment |= {
            **STANDING_SERVER_SETTINGS,
            "PREFECT_HOME": str(path / "prefect"),
            "PREFECT_API_URL": str(api.base_url).rstrip("/"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PWD": "/nowhere",  # a shell's: this program deploys from a directory of its own
        }
        site = Site(workplace, api)
        with running(site, "server", "start", "--host", "127.0.0.1", "--port", str(port)):
            until(lambda: _answers(api), "the server answers")
            site.run("work-pool", "create", "pulseq", "--type", "process")
            site.run("--no-prompt", "deploy", "--all")
            with running(site, "worker", "start", "--pool", "pulseq"):
                yield site


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/health").is_success
    except httpx.HTTPError:
        return False


def test_the_last_command_runs_what_has_been_deployed(site: Site) -> None:
    told = site.run("deployment", "run", "run-suite/smoke", "--watch").out

    assert "finished successfully" in told
    (row,) = site.workplace.sql("select total_tests, passed, prefect_url from run_summary")
    assert (2, 2) == (row["total_tests"], row["passed"])
    (flow_run,) = site.ask("/flow_runs/filter", flow_runs={"id": {"any_": [row["prefect_url"].rpartition("/")[2]]}})
    assert flow_run["name"].startswith("quickstart, ")
    assert "2 passed, 9 deselected" == flow_run["state"]["message"]


def test_a_run_reads_well_on_prefects_pages(site: Site) -> None:
    flow_run = site.begin("mixed", name="before the merge")

    counts = "1 failed, 2 errors (1 without a verdict), 2 passed, 1 flaky"
    assert ("FAILED", counts) == tuple(site.ending(flow_run)[key] for key in ("type", "message"))
    assert "before the merge" == site.api.get(f"/flow_runs/{flow_run}").json()["name"]
    until(lambda: len(site.task_runs(flow_run)) == len(STATES), "every task run is recorded")
    until(
        lambda: {name: (state["type"], state["name"]) for name, state in site.task_runs(flow_run).items()} == STATES,
        "every task run has the state of its test",
    )
    assert "failed (exit_code) exit code 3" in site.task_runs(flow_run)["fails"]["message"]
    unmatched = site.task_runs(flow_run)["no-node"]
    assert "no node fits" in unmatched["message"]
    # All that the page of a task run shows.
    of_it = {"task_run_id": {"any_": [unmatched["state_details"]["task_run_id"]]}}
    (line,) = until(lambda: site.ask("/logs/filter", logs=of_it), "its log says so")
    assert line["message"].startswith("no-node: error (unsatisfiable)\nno node fits")
    assert ["slow"] == site.search(flow_run, "medium, browserless")
    assert 4 == len(site.search(flow_run, "@ node1"))
    artifacts = site.ask("/artifacts/filter", artifacts={"flow_run_id": {"any_": [flow_run]}})
    kinds = {one["key"]: one["type"] for one in artifacts}
    assert {"mixed-progress": "progress", "mixed-summary": "markdown", "mixed-failures": "table"} == kinds
    data = {one["key"]: one["data"] for one in artifacts}
    assert float(data["mixed-progress"]) == 100.0
    assert "data:image/svg+xml;base64," in data["mixed-summary"]
    assert f"**{counts}**" in data["mixed-summary"]
    assert {"fails", "slow", "no-node"} == {row["test"] for row in json.loads(data["mixed-failures"])}
    until(lambda: set(_events(site, flow_run)) == {"pulseq.run.started", "pulseq.run.finished"}, "events are kept")


def _events(site: Site, flow_run: str) -> Counter[str]:
    related = {"id": [f"prefect.flow-run.{flow_run}"]}
    found = site.ask("/events/filter", filter={"related": related, "event": {"prefix": ["pulseq."]}})
    return Counter(one["event"] for one in found["events"])


def test_a_cancelled_run_ends_its_bodies_keeps_its_verdicts_and_touches_no_other(site: Site) -> None:
    _cancel_one_of_two(site, by="smoke")


def _cancel_one_of_two(site: Site, *, by: str) -> None:
    (site.workplace.path / "open").unlink(missing_ok=True)
    long, gated = site.begin("long", by=by), site.begin("gated", by=by)
    until(lambda: len(site.bodies("63.5")) == 1, "the long test runs")
    until(lambda: len(site.bodies("gate.py")) == 1, "the other run's test runs")
    body = site.bodies("63.5")[0]

    cancelling = {"type": "CANCELLING", "name": "Cancelling"}
    site.ask(f"/flow_runs/{long}/set_state", state=cancelling)

    assert "CANCELLED" == site.ending(long)["type"]
    assert body not in site.bodies("63.5")
    rows = site.workplace.sql(f"select test_id, reason from results where run_id = '{site.run_id(long)}'")
    assert {"first": None, "long": "cancelled", "last": "cancelled"} == {row["test_id"]: row["reason"] for row in rows}
    assert ("RUNNING", 1) == (site.state(gated)["type"], len(site.bodies("gate.py")))

    (site.workplace.path / "open").touch()
    assert "COMPLETED" == site.ending(gated)["type"]


@pytest.mark.slow
def test_a_run_that_is_retried_is_a_new_run_with_the_parameters_that_it_was_given(site: Site) -> None:
    of_the_deployment = site.deployment()["parameters"]
    flow_run = site.begin("failing")
    assert "FAILED" == site.ending(flow_run)["type"]

    # What *Retry* on a run's page does.
    site.ask(f"/flow_runs/{flow_run}/set_state", state={"type": "SCHEDULED", "name": "AwaitingRetry"}, force=True)

    counted = f"select count(*) as runs from run_summary where failed = 1 and ends_with(prefect_url, '{flow_run}')"
    until(lambda: site.workplace.sql(counted)[0]["runs"] == 2, "both runs have their rows")
    assert "FAILED" == site.ending(flow_run)["type"]
    assert of_the_deployment == site.deployment()["parameters"]


@pytest.mark.slow
def test_a_published_build_starts_the_smoke_run(site: Site) -> None:
    before = len(_smoke_runs(site))

    resource = {"prefect.resource.id": "pulseq.build.7"}
    event = {"event": "pulseq.build.published", "resource": resource, "id": str(uuid4())}
    occurred = datetime.now(UTC).isoformat()
    site.api.post("/events", json=[{**event, "occurred": occurred}]).raise_for_status()

    until(lambda: len(_smoke_runs(site)) > before, "the event has started a run")
    assert "COMPLETED" == site.ending(_smoke_runs(site)[0])["type"]


def _smoke_runs(site: Site) -> list[str]:
    question = {"deployments": {"name": {"any_": ["smoke"]}}, "sort": "EXPECTED_START_TIME_DESC"}
    return [str(one["id"]) for one in site.ask("/flow_runs/filter", **question)]


# Prefect's scheduler needs the SQLAlchemy that pyproject.toml asks for; an older environment may have another.
needs_schedules = pytest.mark.skipif(not version("sqlalchemy").startswith("2.0."), reason="needs SQLAlchemy below 2.1")


@needs_schedules
def test_a_schedule_makes_runs_until_it_is_paused(site: Site) -> None:
    nightly = {"deployments": {"name": {"any_": ["nightly"]}}}

    until(lambda: site.ask("/flow_runs/filter", **nightly), "runs of the nightly are scheduled")
    assert {"SCHEDULED"} == {one["state"]["type"] for one in site.ask("/flow_runs/filter", **nightly)}
    schedule = next(one for one in site.deployment("run-suite/nightly")["schedules"] if one["active"])
    site.run("deployment", "schedule", "pause", "run-suite/nightly", schedule["id"])
    assert [] == site.ask("/flow_runs/filter", **nightly)


@pytest.mark.slow
def test_automations_are_made_once(site: Site) -> None:
    def count() -> Counter[str]:
        found = site.ask("/automations/filter")
        return Counter(one["name"] for one in found if one["name"].startswith("pulseq:"))

    site.run("-c", BLOCK, module="")
    told = [site.run("setup", *more, module="pulseq").out for more in ([], [], NOTIFY, [])]

    endings = (": made", ": there", ": updated, notifies", ": there, notifies")
    assert [5, 5, 4, 4] == [one.count(ending) for one, ending in zip(told, endings, strict=True)]
    assert ["they notify nobody yet" in one for one in told] == [True, True, False, False]
    assert {1} == set(count().values())
    assert 5 == len(count())


def test_a_notification_block_that_is_not_there_is_refused(site: Site) -> None:
    ended = site.workplace.run("setup", "--notify", "slack-webhook/nobody")

    assert 4 == ended.code
    assert "found no block 'slack-webhook/nobody', expected a notification block as TYPE/NAME" in ended.err


def test_check_knows_the_pools_of_the_api(site: Site) -> None:
    text = (site.workplace.path / "prefect.yaml").read_text()
    site.workplace.write(
        "elsewhere.yaml",
        text.replace("name: pulseq\n\n#", "name: pulsek\n\n#", 1).replace(
            "local: &local\n      name: pulseq", "local: &local\n      name: pulsek"
        ),
    )

    ended = site.workplace.run("check", "--project", "elsewhere.yaml")

    assert 4 == ended.code
    assert "found 'pulsek', expected a work pool that there is (pulseq)" in ended.err


def _serve(site: Site) -> subprocess.Popen[str]:
    site.workplace.write("laptop.yaml", LAPTOP)
    serving = site.start("serve", "--project", "laptop.yaml", module="pulseq")
    until(lambda: _is_served(site), "it is served")
    return serving


def _is_served(site: Site) -> bool:
    found = site.api.get("/deployments/name/run-suite/laptop")
    return found.is_success and not found.json()["paused"]


@pytest.mark.slow
def test_served_deployments_run_without_a_pool_until_serving_ends(site: Site) -> None:
    serving = _serve(site)
    flow_run = site.begin("long", by="laptop")
    until(lambda: len(site.bodies("63.5")) == 1, "a test runs")
    os.kill(serving.pid, signal.SIGTERM)

    assert "CANCELLED" == _end_of_serving(site, serving, flow_run)


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_serving_and_what_it_runs(site: Site) -> None:
    serving = _serve(site)
    _cancel_one_of_two(site, by="laptop")
    flow_run = site.begin("long", by="laptop")
    until(lambda: len(site.bodies("63.5")) == 1, "a test runs")
    os.killpg(serving.pid, signal.SIGHUP)

    assert _end_of_serving(site, serving, flow_run) in ("CANCELLED", "CRASHED")


def _end_of_serving(site: Site, serving: subprocess.Popen[str], flow_run: str) -> str:
    """The state of a flow run that was under way when serving was ended."""
    told, _ = serving.communicate(timeout=PATIENCE_SECONDS)
    assert (0, False) == (serving.returncode, "Traceback" in told)
    assert [] == site.bodies("63.5")
    assert site.deployment("run-suite/laptop")["paused"]
    return str(site.state(flow_run)["type"])


@needs_schedules
@pytest.mark.slow
def test_node_health_on_a_schedule_tells_of_a_killed_and_of_a_frozen_node(site: Site) -> None:
    site.workplace.write("nodes.yaml", NODES)
    site.workplace.write("looks.yaml", LOOKS)
    site.run("up", "--nodes", "nodes.yaml", module="pulseq")
    keeper = json.loads((site.workplace.home / "standing.json").read_text())["keeper"]["pid"]
    site.run("--no-prompt", "deploy", "--all", "--prefect-file", "looks.yaml")
    until(lambda: _seen(site, "active") == {"killed", "frozen", "well"}, "all nodes are well")
    nodes = site.workplace.nodes()
    nodes["frozen"].suspend()
    os.kill(keeper, signal.SIGSTOP)  # or it would start the node again
    nodes["killed"].kill()
    try:
        until(lambda: _seen(site, "inactive") == {"killed", "frozen"}, "both are rows")
        until(lambda: _told_inactive(site) == {"killed", "frozen"}, "both are told")
        # The look whose events are there may be at its table yet.
        seen = {"killed": "inactive", "frozen": "inactive", "well": "active"}
        until(lambda: _table(site) == seen, "the table tells it too")
    finally:
        os.kill(keeper, signal.SIGCONT)
        nodes["frozen"].resume()
        site.api.patch(f"/deployments/{site.deployment('node-health/looks')['id']}", json={"paused": True})
        site.run("down", module="pulseq")


def _table(site: Site) -> dict[str, str]:
    artifact = site.api.get("/artifacts/node-health/latest").raise_for_status().json()
    return {line["node"]: line["state"] for line in json.loads(artifact["data"])}


def _seen(site: Site, status: str) -> set[str]:
    if not site.workplace.database.exists():
        return set()
    query = f"select distinct node_id from node_health where event = 'poll' and status = '{status}'"
    return {str(row["node_id"]) for row in site.workplace.sql(query)}


def _told_inactive(site: Site) -> set[str]:
    found = site.ask("/events/filter", filter={"event": {"name": ["pulseq.node.changed"]}})["events"]
    return {one["resource"]["prefect.resource.name"] for one in found if one["payload"]["after"] == "inactive"}


def test_what_a_work_pool_runs_is_not_served_as_well(site: Site) -> None:
    ended = site.workplace.run("serve", "smoke")

    assert 4 == ended.code
    assert "the deployment 'run-suite/smoke' belongs to the work pool 'pulseq', whose workers run it" in ended.err


def test_without_an_api_serving_and_setting_up_say_what_to_do(bare_workplace: Workplace) -> None:
    shutil.copy(ROOT / "prefect.yaml", bare_workplace.path)
    for words in (("serve",), ("setup",)):
        ended = bare_workplace.run(*words)

        assert 4 == ended.code
        assert "found no Prefect API, expected one in PREFECT_API_URL" in ended.err
