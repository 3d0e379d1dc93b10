"""What tests leave behind, in real runs: it comes home, is told everywhere, and takes no verdict along."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.system.workplace import Workplace, finish, until

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\xdac\xf4\xcfP\x0f\x00\x03\x86\x01\x80Z4}k\x00\x00\x00\x00IEND\xaeB`\x82"
)
TOOL = """
import os, pathlib, shutil, sys
place = pathlib.Path(os.environ["PULSEQ_ARTIFACTS"])
shutil.copy("shot.png", place / "shot.png")
(place / "page.html").write_text("<script>alert(1)</script>")
(place / "out").symlink_to("/etc/passwd")
(place / os.fsdecode(b"\\xff\\n.txt")).write_text("odd")
os.makedirs("logs", exist_ok=True)
if sys.argv[1] == "1":  # others run at the same time, and a file that changes while it is read is left out
    pathlib.Path("logs/new.log").write_text("written")
os.mkfifo(place / "pipe")
sys.exit(int(sys.argv[1]))
"""
CALLS = """
import os, pathlib
def leaves(fails):
    pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], "call.txt").write_text(os.environ["PULSEQ_ATTEMPT"])
    assert not fails
"""
ITEMS = """
import os, pathlib, pytest
def leave(name, text): pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], name).write_text(text)
def test_passes(): leave("passed.txt", "passed")
def test_fails():
    leave("failed.txt", "failed")
    assert False
def test_nothing(): assert not os.listdir(os.environ["PULSEQ_ARTIFACTS"])
def test_crashes():
    leave("crashed.txt", "crashed")
    os._exit(3)
"""
SUITE = """
suite: left
tests:
  - {id: tool/fails, command: [python, tool.py, "1"], artifacts: ["logs/**/*.log"]}
  - {id: tool-passes, command: [python, tool.py, "0"]}
  - {id: tool-all, command: [python, tool.py, "0"], artifacts_of: all}
  - {id: call, call: "calls:leaves", args: [true], max_retries: 1}
  - {id: unit, pytest: test_unit.py}
"""


def by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, int, str], dict[str, Any]]:
    return {(row["test_id"], row["attempt"], row["name"]): row for row in rows}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("isolation", ["fork", pytest.param("interpreter", marks=pytest.mark.slow)])
def test_what_failed_tests_leave_comes_home_and_is_told_everywhere(workplace: Workplace, isolation: str) -> None:
    (workplace.path / "shot.png").write_bytes(PNG)
    for name, text in {"tool.py": TOOL, "calls.py": CALLS, "test_unit.py": ITEMS, "logs/old.log": "old"}.items():
        workplace.write(name, text)
    suite = workplace.write("suite.yaml", SUITE)

    run = workplace.run(
        *("run", suite, "-n", "2", "--run-id", "r1", "--isolation", isolation),
        *("--junitxml", "reports/junit.xml", "--html", "reports/page.html", "--output", "json"),
    )

    assert run.code == 1, run.err
    rows = workplace.sql("select * from artifacts")
    left = by_name(rows)
    odd = next(name for _, _, name in left if name.endswith(".txt") and name.startswith("__-"))
    tools = {"shot.png", "page.html", odd}
    assert {
        *(("tool/fails", 1, name) for name in {*tools, "logs/new.log"}),
        *(("tool-all", 1, name) for name in tools),
        ("call", 1, "call.txt"),
        ("call", 2, "call.txt"),
        ("unit::test_unit.py::test_fails", 1, "failed.txt"),
        ("unit::test_unit.py::test_crashes", 1, "crashed.txt"),
    } == left.keys()
    home = workplace.home / "runs" / "r1"
    files = tree(home / "artifacts")
    assert {row["path"].removeprefix("artifacts/") for row in rows} == files.keys()
    for row in rows:
        data = files[row["path"].removeprefix("artifacts/")]
        assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert ["1", "2"] == [files[f"call/{attempt}/call.txt"].decode() for attempt in (1, 2)]
    assert "image/png" == left["tool-all", 1, "shot.png"]["media_type"]
    # The same content is on the disk once.
    assert 2 == len({(home / row["path"]).stat().st_ino for row in rows if row["name"] in ("shot.png", "page.html")})

    told = by_name(run.json["artifacts"])
    assert left.keys() == told.keys()
    assert (workplace.path / run.json["paths"]["artifacts"]) == home / "artifacts"
    assert_reports(workplace, rows)
    warnings = workplace.sql("select warnings from attempts where test_id = 'tool-all'")[0]["warnings"]
    assert {
        "not kept as artifacts: 'out' (a link that leads out of its directory)",
        "not kept as artifacts: 'pipe' (no regular file)",
    } == set(warnings)

    summary = workplace.run("summary", "r1")
    assert "left artifacts/call: 1/call.txt (1 B), 2/call.txt (1 B)" in summary.out
    assert workplace.run("results", "sync", "--rebuild").code == 0
    assert rows == workplace.sql("select * from artifacts")
    assert [] == [path for path in workplace.temp.rglob("*") if path.is_file()]


def assert_reports(workplace: Workplace, rows: list[dict[str, Any]]) -> None:
    junit = ElementTree.parse(workplace.path / "reports" / "junit.xml")
    attached = {
        line.removeprefix("[[ATTACHMENT|").removesuffix("]]")
        for case in junit.iter("testcase")
        for line in (case.findtext("system-out") or "").splitlines()
        if line.startswith("[[ATTACHMENT|")
    }
    assert {f"home/runs/r1/{row['path']}" for row in rows} == attached
    assert all((workplace.path / path).is_file() for path in attached)
    page = (workplace.path / "reports" / "page.html").read_text()
    assert 'src="data:image/png;base64,' in page
    assert "alert(1)" not in page
    assert 'href="./../home/runs/r1/artifacts/call/1/call.txt"' in page


LIMITS = """
suite: limits
artifacts_limit: 1MB
defaults: {artifacts_of: all, artifacts_limit: 700kB}
tests:
  - {id: a, command: "cd $PULSEQ_ARTIFACTS; head -c 600000 /dev/urandom > a; head -c 200000 /dev/zero > b", shell: true}
  - {id: b, command: "cd $PULSEQ_ARTIFACTS; head -c 600000 /dev/urandom > a; echo > b", shell: true}
"""


@pytest.mark.slow
def test_limits_of_a_test_and_of_a_run_are_warnings_and_take_no_verdict(workplace: Workplace) -> None:
    run = workplace.run("run", workplace.write("suite.yaml", LIMITS), "-n", "1", "--run-id", "r1")

    assert run.code == 0, run.err
    rows = workplace.sql("select test_id, name, path is not null as home, trouble from artifacts order by 1, 2")
    over = "over the artifacts_limit of the run, 1 MB"
    first = next(row["test_id"] for row in rows if row["name"] == "a" and row["home"])
    second = "b" if first == "a" else "a"
    assert [(second, "a", over)] == [(row["test_id"], row["name"], row["trouble"]) for row in rows if not row["home"]]
    warnings = {row["test_id"]: row["warnings"] for row in workplace.sql("select test_id, warnings from attempts")}
    own = "not kept as artifacts: 'b' (over the artifacts_limit of 700 kB)"
    lost = f"artifacts that did not come home: a ({over})"
    assert {"a": [own, lost] if second == "a" else [own], "b": [lost] if second == "b" else []} == warnings
    assert f"{second}  " in run.err


#: What the body leaves; where it is to be written is a pipe then, so that the run waits for whoever reads that.
BLOCKS = """
import hashlib, os, pathlib, sys
data = b"blocked"
pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], "a.txt").write_bytes(data)
coming = pathlib.Path(sys.argv[1], "artifacts", ".coming")
coming.mkdir(parents=True)
os.mkfifo(coming / hashlib.sha256(data).hexdigest())
sys.exit(1)
"""


def blocked_run(workplace: Workplace, tests: str) -> tuple[Any, Path]:
    """A run whose first test, `leaves`, has left what cannot be written yet; and the pipe that it waits at."""
    workplace.write("blocks.py", BLOCKS)
    directory = workplace.home / "runs" / "r1"
    leaves = f"  - {{id: leaves, command: [python, blocks.py, {directory}], priority: critical}}\n"
    suite = workplace.write("suite.yaml", f"suite: blocked\ntests:\n{leaves}{tests}")
    process = workplace.start("run", suite, "-n", "1", "--run-id", "r1")
    until(lambda: "attempt_finished" in kinds(workplace), "the test has its result")
    [pipe] = (directory / "artifacts" / ".coming").iterdir()
    return process, pipe


def kinds(workplace: Workplace) -> list[str]:
    return [event["kind"] for event in workplace.journal("r1")]


def notes(workplace: Workplace) -> str:
    return "\n".join(event["data"]["text"] for event in workplace.journal("r1") if event["kind"] == "run_note")


@pytest.mark.slow
def test_a_node_that_is_killed_before_it_has_given_what_it_has_is_a_warning(workplace: Workplace) -> None:
    process, pipe = blocked_run(workplace, "  - {id: waits, command: sleep 600, timeout: 5}\n")
    workplace.nodes()["node1"].kill()
    until(lambda: "node_lost" in kinds(workplace), "the run knows that its node was killed")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        run = finish(process)
    finally:
        os.close(reader)

    assert run.code == 1, run.err
    warning = "artifacts that did not come home: a.txt (node node1 was lost before)"
    told = workplace.sql("select status, warnings from attempts where test_id = 'leaves'")
    assert [{"status": "failed", "warnings": [warning]}] == told
    assert [{"path": None, "trouble": "node node1 was lost before"}] == workplace.sql(
        "select path, trouble from artifacts"
    )
    assert f"warning: {warning}" in run.err
    assert not (workplace.home / "runs" / "r1" / "artifacts").exists()


@pytest.mark.slow
def test_ctrl_c_at_the_end_skips_what_is_still_to_come_and_nothing_else(workplace: Workplace) -> None:
    process, pipe = blocked_run(workplace, "")
    until(lambda: "waiting for artifacts: 1 file, 7 B, to come" in notes(workplace), "the run says what it waits for")
    process.send_signal(signal.SIGINT)
    until(lambda: "went on without artifacts" in notes(workplace), "it waits no longer")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        run = finish(process)
    finally:
        os.close(reader)

    assert run.code == 1, run.err
    assert [{"trouble": "nobody waited for it"}] == workplace.sql("select trouble from artifacts")
    assert [{"status": "failed", "reason": "exit_code"}] == workplace.sql("select status, reason from results")
