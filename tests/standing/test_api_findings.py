"""What is told of Prefect: the address, whether it answers, and no secret."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pulseq.cluster.standing_cluster import Condition, PartState, StandingCluster, write_cluster
from pulseq.fleet import Fleet, NodeSpec
from pulseq.processes.process_id import ProcessId
from pulseq.standing.api_findings import active_profile, examine_api, examine_standing
from pulseq.standing.findings import Grade


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variables nor profiles of anybody."""
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_HOME", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "profiles.toml"))
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "ERROR")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    monkeypatch.chdir(tmp_path)


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers everything with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_without_an_api_runs_start_their_own(tmp_path: Path) -> None:
    finding = examine_api(tmp_path)

    assert (finding.grade, finding.found) == (Grade.OK, "no API configured: each run starts a server of its own")


def test_an_api_that_does_not_answer_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200) as url:
        pass
    monkeypatch.setenv("PREFECT_API_URL", url)

    finding = examine_api(tmp_path)

    assert finding.grade is Grade.BAD
    assert finding.found == f"{url} (PREFECT_API_URL) does not answer: Connection refused"


def test_an_api_with_an_error_of_its_own_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(500) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)

        assert examine_api(tmp_path).found.endswith("does not answer: HTTP status 500")


@pytest.mark.parametrize(
    "url", ["http://me:hush@127.0.0.1:1/api?hush", "hush", "http://hush:hush/api", "ftp://me:hush@x"]
)
def test_no_secret_of_its_address_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)

    finding = examine_api(tmp_path)

    assert (finding.grade, "hush" in finding.found + finding.advice) == (Grade.BAD, False)


def test_the_profile_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "profiles.toml"
    assert active_profile() is None
    profiles.write_text('active = "work"\n[profiles.work]\nPREFECT_API_KEY = "hush"\n')
    assert active_profile() == "work"
    monkeypatch.setenv("PREFECT_PROFILE", "play")
    assert active_profile() == "play"
    profiles.write_text("not [ toml")
    assert active_profile() is None


def test_nothing_stands(tmp_path: Path) -> None:
    assert examine_standing(tmp_path).grade is Grade.OK


@pytest.mark.parametrize(
    ("keeper", "condition", "grade", "words"),
    [
        (ProcessId(1, 1), Condition.RUNNING, Grade.ATTENTION, "what stood has died"),
        (None, Condition.RUNNING, Grade.OK, "running: server running"),
        (None, Condition.RESTARTING, Grade.ATTENTION, "restarting: server running"),
    ],
)
def test_what_stands_is_told(
    tmp_path: Path,
    keeper: ProcessId | None,
    condition: Condition,
    grade: Grade,
    words: str,
) -> None:
    own = ProcessId.of(os.getpid())
    assert own is not None
    cluster = StandingCluster(
        keeper or own,
        condition,
        "http://127.0.0.1:1/api",
        None,
        "",
        Fleet((NodeSpec("n"),)),
        0.0,
        (PartState("server", Condition.RUNNING),),
    )
    write_cluster(tmp_path, cluster)

    finding = examine_standing(tmp_path)

    assert (finding.grade, finding.found) == (grade, words)
    if keeper is None:  # a profile that names no address is not where this one is from
        (tmp_path / "profiles.toml").write_text('active = "work"\n[profiles.work]\n')
        assert examine_api(tmp_path).found.startswith("http://127.0.0.1:1/api (of `pulseq up`) does not answer")
