from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pulseq.cluster.standing_cluster import Condition, StandingCluster, standing_directory, write_cluster
from pulseq.fleet import Fleet
from pulseq.processes.process_id import ProcessId
from pulseq.standing.kept_auth import auth_for, auth_path, keep_auth, read_auth

API = "http://127.0.0.1:4200/api"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    standing_directory(tmp_path).mkdir()
    return tmp_path


def stand(home: Path, *, ui_url: str | None = "http://127.0.0.1:4200", keeper: ProcessId | None = None) -> None:
    process = keeper or ProcessId.of(os.getpid())
    assert process is not None
    write_cluster(home, StandingCluster(process, Condition.RUNNING, API, ui_url, "tcp://s:1", Fleet(()), 0.0))


@pytest.mark.parametrize("auth", ["pulseq:abc", "admin:ü #%", "a:b\n"])
def test_it_is_kept_for_this_user_alone(home: Path, auth: str) -> None:
    before = os.umask(0)
    try:
        keep_auth(home, auth)
    finally:
        os.umask(before)

    assert auth == read_auth(home)
    assert 0o600 == stat.S_IMODE(auth_path(home).stat().st_mode)


def test_a_server_without_one_leaves_none_of_an_earlier_one(home: Path) -> None:
    keep_auth(home, "pulseq:abc")
    keep_auth(home, None)

    assert (None, []) == (read_auth(home), os.listdir(standing_directory(home)))


def test_it_is_for_the_api_of_what_stands_here_alone(home: Path) -> None:
    keep_auth(home, "pulseq:abc")
    assert auth_for(home, API) is None

    stand(home)

    assert ("pulseq:abc", None) == (auth_for(home, API), auth_for(home, "http://elsewhere/api"))


def test_it_is_not_for_an_api_of_others_nor_for_what_has_died(home: Path) -> None:
    keep_auth(home, "pulseq:abc")

    stand(home, ui_url=None)
    assert auth_for(home, API) is None
    stand(home, keeper=ProcessId(2**22 + 1, 1))
    assert auth_for(home, API) is None
