"""Places that go while they are used: a full disk, a directory that is removed, rows that somebody changes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.system.workplace import Workplace, finish, until

BAD_THEN = """
suite: shop
tests:
  - {{id: bad, command: "exit 1", shell: true, priority: critical}}
  - {{id: harm, command: "{harm}", shell: true, priority: high}}
  - {{id: long, command: [sleep, "60"]}}
  - {{id: waits, command: [sleep, "60"]}}
"""
GOOD = "suite: good\ntests:\n  - {id: one, simulate: {duration: 0}}\n"


@pytest.fixture
def small_disk(workplace: Workplace) -> Iterator[Path]:
    """A file system of 32 MB that the state directory is on; mounting takes root."""
    workplace.home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(workplace.home)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here: that takes root, and the right to mount")
    try:
        yield workplace.home
    finally:
        subprocess.run(["umount", "--lazy", str(workplace.home)], check=True)


def _fill(disk: Path) -> None:
    """Take all that is free, at once."""
    with open(disk / "fill", "wb") as file:
        while left := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize:
            with contextlib.suppress(OSError):  # others have taken some meanwhile
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), left)


def test_a_full_disk_is_said_once_and_a_failed_test_still_counts(workplace: Workplace, small_disk: Path) -> None:
    written = f"until grep -q test_closed {small_disk}/runs/full/journal.jsonl; do sleep 0.02; done"
    fill = f"{written}; dd if=/dev/zero of={small_disk}/fill bs=64k 2>/dev/null; true"
    suite = workplace.write("suite.yaml", BAD_THEN.format(harm=fill))

    run = workplace.run("run", suite, "-n", "1", "--run-id", "full")

    assert run.code == 1, run.err
    assert run.err.count("No space left on device; what stands in it is intact") == 1
    assert run.err.count("free some space") == 1
    assert "Traceback" not in run.err
    (small_disk / "fill").unlink()
    assert workplace.run("results", "sync").code == 0
    assert {"test_id": "bad", "status": "failed"} in workplace.sql("select test_id, status from results")


def test_a_disk_that_is_full_from_the_first_is_refused(workplace: Workplace, small_disk: Path) -> None:
    (small_disk / "fill").write_bytes(bytes(30 << 20))

    run = workplace.run("run", workplace.write("suite.yaml", GOOD), "-n", "1")

    assert run.code == 4, run.err
    assert run.err.endswith(
        "MB free, expected at least 10 MB: free some space, or set PULSEQ_HOME to a directory on another disk\n"
    )
    assert [path.name for path in small_disk.iterdir()] == ["fill"]


def test_a_disk_that_is_full_while_the_server_starts_is_what_is_told(workplace: Workplace, small_disk: Path) -> None:
    del workplace.environment["PREFECT_API_URL"]  # this run is to start a server of its own
    run = workplace.start("run", workplace.write("suite.yaml", GOOD), "-n", "1", "--run-id", "full")
    log = small_disk / "runs/full/logs/prefect-server.log"
    until(lambda: log.exists() or run.poll() is not None, "the server starts")
    _fill(small_disk)
    ended = finish(run)

    # Whoever writes next finds it full: the journal (3), the server (10), or the database alone, since what the journal
    # has to say may fit into the page that it has already (0).
    assert ended.code in (0, 3, 10), ended.err
    what_then = ", then `pulseq results sync`" if ended.code == 0 else " and run it again"
    assert ended.err.count(f"free some space{what_then}") == 1
    assert "500" not in ended.err
    assert "Traceback" not in ended.err


def test_a_state_directory_that_is_removed_stops_the_run_at_once(workplace: Workplace) -> None:
    suite = workplace.write("suite.yaml", BAD_THEN.format(harm=f"rm -rf {workplace.home}"))

    run = workplace.run("run", suite, "-n", "1", "--junitxml", "report.xml")

    assert run.code == 1, run.err
    assert run.err.count("was removed while the run went on, and its results with it") == 1
    assert "no report can be written: the journal" in run.err
    assert "1 failed" in run.err
    assert "Traceback" not in run.err
    assert not workplace.home.exists()


def test_the_id_of_a_removed_run_is_refused_and_its_rows_stay(workplace: Workplace) -> None:
    suite = workplace.write("suite.yaml", GOOD)
    assert workplace.run("run", suite, "-n", "1", "--run-id", "nightly").code == 0
    shutil.rmtree(workplace.home / "runs" / "nightly")

    again = workplace.run("run", suite, "-n", "1", "--run-id", "nightly")

    assert again.code == 4
    assert again.err == (
        f"pulseq: --run-id: found 'nightly', which is a run in {str(workplace.database)!r} already; choose another\n"
    )
    assert not (workplace.home / "runs" / "nightly").exists()
    assert workplace.sql("select run_id, test_id from results") == [{"run_id": "nightly", "test_id": "one"}]


@pytest.mark.slow
def test_what_a_client_has_changed_is_told_and_mended(workplace: Workplace) -> None:
    suite = workplace.write("suite.yaml", GOOD)
    assert workplace.run("run", suite, "-n", "1", "--run-id", "r1").code == 0
    with duckdb.connect(str(workplace.database)) as client:
        client.execute("update verdicts set status = 'failed'")

    synced = workplace.run("results", "sync")
    told = "rows of 1 run had been changed and were built anew: r1\n"
    assert (synced.code, synced.err.startswith(told)) == (0, True)
    assert workplace.sql("select status from results") == [{"status": "passed"}]

    with duckdb.connect(str(workplace.database)) as client:
        client.execute("drop table verdicts")
    lacking = workplace.run("sql", "select status from results")
    assert lacking.code == 4
    assert workplace.run("results", "sync", "--rebuild").code == 0
    assert workplace.sql("select status from results") == [{"status": "passed"}]
