"""Which Prefect API a command speaks to that starts none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import prefect.context
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from pulseq.cluster.standing_cluster import Condition, StandingCluster, standing_directory, write_cluster
from pulseq.errors import UsageError
from pulseq.fleet import Fleet, NodeSpec
from pulseq.orchestration.api_auth import CLIENTS_VARIABLE
from pulseq.processes.process_id import ProcessId
from pulseq.standing.kept_auth import keep_auth
from pulseq.standing.known_api import KnownApi, configure, known_api

STANDING, CONFIGURED = "http://127.0.0.1:4201/api", "http://127.0.0.1:4200/api"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandingCluster:
    """What `pulseq up` keeps in `tmp_path`; no API is configured."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", CLIENTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    keeper = ProcessId.of(os.getpid())
    assert keeper is not None
    fleet = Fleet((NodeSpec("n"),))
    cluster = StandingCluster(keeper, Condition.RUNNING, STANDING, None, "tcp://s:1", fleet, 0.0)
    write_cluster(tmp_path, cluster)
    return cluster


def test_what_is_configured_goes_first(
    tmp_path: Path, cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", CONFIGURED)

    assert CONFIGURED == known_api(tmp_path).url


def test_else_that_of_pulseq_up_with_what_it_asks_for(tmp_path: Path, cluster: StandingCluster) -> None:
    standing_directory(tmp_path).mkdir(mode=0o700, exist_ok=True)
    keep_auth(tmp_path, "pulseq:secret")
    write_cluster(tmp_path, replace(cluster, ui_url="http://127.0.0.1:4201"))

    found = known_api(tmp_path)

    assert KnownApi(STANDING, "pulseq:secret") == found
    assert "secret" not in repr(found)


def test_one_that_has_died_is_none(tmp_path: Path, cluster: StandingCluster) -> None:
    write_cluster(tmp_path, replace(cluster, keeper=ProcessId(2**22 + 1, 1)))

    with pytest.raises(UsageError, match="found no Prefect API, expected one in PREFECT_API_URL"):
        known_api(tmp_path)


@pytest.mark.parametrize(("set_before", "heard"), [(None, "pulseq:one"), ("mine:two", "mine:two")])
def test_prefect_is_told_of_it_and_what_somebody_has_set_stays(
    cluster: StandingCluster, monkeypatch: pytest.MonkeyPatch, set_before: str | None, heard: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "")  # and as it was again afterwards
    monkeypatch.setattr(prefect.context, "GLOBAL_SETTINGS_CONTEXT", prefect.context.GLOBAL_SETTINGS_CONTEXT)
    monkeypatch.setenv(CLIENTS_VARIABLE, set_before or "")
    if set_before is None:
        del os.environ[CLIENTS_VARIABLE]

    configure(KnownApi(STANDING, "pulseq:one"))

    assert (STANDING, heard) == (os.environ["PREFECT_API_URL"], os.environ[CLIENTS_VARIABLE])
    assert (STANDING, heard) == (PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value())
