"""A run from its file to its verdicts, and what the Prefect server and DuckDB say of it."""

from __future__ import annotations

import signal
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.system.workplace import Workplace, finish, until, watch_callbacks

ROOT = Path(__file__).parents[2]


def _task_runs(api: str, flow_run_id: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    while True:
        query = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 200, "offset": len(runs)}
        page = httpx.post(f"{api}/task_runs/filter", json=query).raise_for_status().json()
        runs += page
        if len(page) < 200:
            return runs


def test_the_quickstart_passes_and_all_who_tell_of_it_agree(workplace: Workplace, prefect_api: str) -> None:
    junit, slow = workplace.path / "junit.xml", watch_callbacks(workplace)
    suite_file = ROOT / "deployments/suites/quickstart.yaml"

    run = workplace.run("run", suite_file, "--output", "json", "--junitxml", junit)

    assert run.code == 0, run.err
    told = run.json["counts"]
    (summary,) = workplace.sql("from run_summary")
    stored = {name: summary[name] for name in ("passed", "failed", "errors", "skipped", "flaky")}
    assert {name: told[name] for name in stored} == stored
    rows = workplace.sql("select test_id, status from results")
    assert len(rows) == told["total"]
    suite = ET.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert int(suite.get("tests", "0")) == told["total"]

    (flow_run_id,) = workplace.sql("select flow_run_id from runs")[0].values()
    runs = until(
        lambda: (
            (found := _task_runs(prefect_api, flow_run_id))
            and all(one["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") for one in found)
            and found
        ),
        "every task run has its final state on the server",
    )
    names = {one["name"].partition(" @ ")[0] for one in runs}
    written = {row["test_id"] for row in rows if "::" not in row["test_id"]}
    assert written <= names
    packs = names - written
    assert packs
    assert all("test_" in name for name in packs)
    flow_run = httpx.get(f"{prefect_api}/flow_runs/{flow_run_id}").raise_for_status().json()
    assert "suite" in flow_run["name"]
    assert flow_run["state"]["type"] == "COMPLETED"
    assert flow_run["parent_task_run_id"] is None

    # `test_slow_callbacks` has a long run on nodes that stay; this one has its own. A disk may keep anything waiting
    # once; what is ours to mend is slow again.
    if once := _read_all(slow):
        for file in slow.iterdir():
            file.unlink()
        assert workplace.run("run", suite_file).code == 0
        assert "" == _read_all(slow), once


def _read_all(place: Path) -> str:
    return "".join(file.read_text() for file in place.iterdir())


def test_failures_end_the_flow_run_failed_and_say_how_many(workplace: Workplace, prefect_api: str) -> None:
    suite = workplace.write(
        "suite.yaml",
        "suite: bad\ntests:\n"
        "  - {id: good, command: ['true']}\n"
        "  - {id: bad, command: ['false']}\n"
        "  - {id: worse, command: [nosuchprogram]}\n"
        "  - {id: gone, call: 'nosuchmodule:function'}\n",
    )

    run = workplace.run("run", suite, "-n", "1", "--output", "json")

    assert run.code == 1
    rows = {row["test_id"]: (row["status"], row["reason"]) for row in workplace.sql("from results")}
    assert rows == {
        "good": ("passed", None),
        "bad": ("failed", "exit_code"),
        "worse": ("error", "setup"),
        "gone": ("error", "setup"),
    }
    (flow_run_id,) = workplace.sql("select flow_run_id from runs")[0].values()
    state = httpx.get(f"{prefect_api}/flow_runs/{flow_run_id}").raise_for_status().json()["state"]
    assert (state["type"], state["message"]) == ("FAILED", "1 failed, 2 errors, 1 passed")


@pytest.mark.slow
def test_a_timeout_gives_a_body_all_of_its_time(workplace: Workplace, prefect_api: str) -> None:
    tests = "".join(f"  - {{id: t{n}, command: [sleep, '600']}}\n" for n in range(4))
    suite = workplace.write("suite.yaml", f"suite: slow\ndefaults: {{timeout: 0.5, max_retries: 1}}\ntests:\n{tests}")

    run = workplace.run("run", suite, "-n", "2", "--output", "json")

    assert run.code == 1, run.err
    attempts = workplace.sql("select status, reason, duration, error from attempts")
    assert len(attempts) == 8
    assert {(one["status"], one["reason"]) for one in attempts} == {("error", "timeout")}
    assert {one["error"] for one in attempts} == {"timeout: still running after 0.5 s, so it was ended"}
    assert all(one["duration"] >= 0.5 for one in attempts), attempts
    (flow_run_id,) = workplace.sql("select flow_run_id from runs")[0].values()
    states = [(one["state_type"], one["state_name"]) for one in _task_runs(prefect_api, flow_run_id)]
    assert states == [("FAILED", "TimedOut")] * 4


def test_what_no_node_fits_ends_at_once_with_the_nearest_miss(workplace: Workplace) -> None:
    suite = workplace.write(
        "suite.yaml",
        "suite: picky\ntests:\n"
        "  - {id: anywhere, simulate: {duration: 0}}\n"
        "  - {id: nowhere, requirements: {browser: firefox}, simulate: {duration: 0}}\n",
    )
    nodes = workplace.write("nodes.yaml", "nodes:\n  - {id: one, capabilities: {browser: chrome}}\n  - {id: two}\n")

    run = workplace.run("run", suite, "--nodes", nodes, "--output", "json")

    assert run.code == 10
    (row,) = workplace.sql("select status, reason, error from results where test_id = 'nowhere'")
    assert (row["status"], row["reason"]) == ("error", "unsatisfiable")
    assert "nearest is one, which has browser=chrome" in row["error"]


def test_a_run_without_any_prefect_api_starts_one_and_leaves_nothing(bare_workplace: Workplace) -> None:
    suite = bare_workplace.write("suite.yaml", "suite: alone\ntests:\n  - {id: one, simulate: {duration: 0.01}}\n")

    told = bare_workplace.run("run", suite, "-n", "1")
    run = bare_workplace.run("run", suite, "-n", "1", "--output", "json")

    assert run.code == 0, run.err
    assert run.json["prefect_url"].startswith("http://127.0.0.1:")
    # For people no link to what has ended with the run.
    assert "flow run  " in told.err
    assert "http://" not in told.err
    assert not bare_workplace.processes()
    assert list(bare_workplace.temp.glob("pulseq-*")) == []
    assert "Traceback" not in run.err
    assert "\x1b" not in run.err


@pytest.mark.parametrize("api", ["its own", pytest.param("configured", marks=pytest.mark.slow)])
def test_scheduler_and_nodes_are_forked_from_the_command(api: str, bare_workplace: Workplace, prefect_api: str) -> None:
    suite = bare_workplace.write("suite.yaml", "suite: alone\ntests:\n  - {id: one, command: [sleep, '600']}\n")
    configured = {"PREFECT_API_URL": prefect_api} if api == "configured" else {}

    run = bare_workplace.start("run", suite, "-n", "2", "--run-id", "r", **configured)

    until(lambda: "attempt_started" in str(bare_workplace.journal("r")), "the test runs")
    # One process forks all of them: itself a fork of the command, which has loaded what they need.
    nodes = {process.ppid() for process in bare_workplace.nodes().values()}
    (forking,) = nodes
    names = {" ".join(child.cmdline()).rpartition(".")[2].strip() for child in psutil.Process(forking).children()}
    assert names == {"node_process", "scheduler_process"}
    assert psutil.Process(forking).ppid() == run.pid
    run.send_signal(signal.SIGINT)
    assert finish(run).code == 2


def test_a_pytest_suite_counts_as_pytest_does(workplace: Workplace) -> None:
    workplace.write(
        "tests/test_words.py",
        "import pytest\n"
        "@pytest.fixture(scope='module')\ndef base():\n    yield 1\n"
        "def test_pass(base): assert base == 1\n"
        "def test_fail(base): assert base == 2\n"
        "@pytest.mark.xfail\ndef test_xfail(): assert False\n"
        "@pytest.mark.xfail(strict=True)\ndef test_strict(): pass\n"
        "@pytest.mark.xfail\ndef test_xpass(): pass\n"
        "@pytest.mark.skip(reason='not now')\ndef test_skip(): pass\n"
        "@pytest.fixture\ndef broken(): raise RuntimeError('no')\n"
        "def test_setup_error(broken): pass\n"
        "@pytest.mark.parametrize('n', [1, 2, 3])\ndef test_many(n): assert n\n",
    )
    workplace.write("tests/test_gone.py", "import pytest\npytest.importorskip('nosuchmodule')\n")

    run = workplace.run("run", "tests", "-n", "2", "--output", "json")

    assert run.code == 1, run.err
    counts = run.json["counts"]
    # pytest: 2 failed, 5 passed, 2 skipped, 1 xfailed, 1 xpassed, 1 error
    assert (counts["failed"], counts["passed"], counts["skipped"], counts["xfailed"], counts["errors"]) == (
        2,
        5,
        3,
        1,
        1,
    )


def test_a_failing_pytest_item_is_retried_alone_and_counts_as_flaky(workplace: Workplace) -> None:
    workplace.write(
        "tests/test_flaky.py",
        "import os\ndef test_steady(): pass\ndef test_flaky(): assert os.environ['PULSEQ_ATTEMPT'] == '2'\n",
    )

    run = workplace.run("run", "tests", "-n", "1", "--reruns", "2", "--output", "json")

    assert run.code == 0, run.err
    assert run.json["counts"]["flaky"] == 1
    (row,) = workplace.sql("select attempts, flaky from results where test_id like '%test_flaky'")
    assert row == {"attempts": 2, "flaky": True}


def test_junit_files_of_a_command_become_tests(workplace: Workplace) -> None:
    workplace.write(
        "make.py",
        "open('out.xml', 'w').write('<testsuite><testcase classname=\"a.B\" name=\"one\" time=\"0.1\"/>'\n"
        '  \'<testcase classname="a.B" name="two"><failure message="no">why</failure></testcase></testsuite>\')\n'
        "raise SystemExit(1)\n",
    )
    suite = workplace.write(
        "suite.yaml", "suite: java\ntests:\n  - {id: java, command: [python, make.py], junit: 'out.xml'}\n"
    )

    run = workplace.run("run", suite, "-n", "1")

    assert run.code == 1, run.err
    rows = {row["test_id"]: row["status"] for row in workplace.sql("from results")}
    assert rows == {"java::a.B::one": "passed", "java::a.B::two": "failed"}


def test_a_report_that_cannot_be_written_does_not_hide_what_failed(workplace: Workplace) -> None:
    suite = workplace.write("suite.yaml", "suite: s\ntests:\n  - {id: bad, command: 'false'}\n")

    ended = workplace.run("run", suite, "-n", "1", "--junitxml", "/dev/full")

    assert ended.code == 1
    assert "1 failed" in ended.err
    assert "pulseq: a report cannot be written: [Errno 28]" in ended.err
