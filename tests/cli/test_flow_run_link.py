"""Links to flow runs: those of a server that has ended are not told."""

from __future__ import annotations

import socket

import pytest

from pulseq.cli.flow_run_link import without_dead_link
from pulseq.events import PrefectRunKnown
from pulseq.records import RunRecord
from pulseq.reports.summary import render_summary


def _told(url: str | None) -> str | None:
    record = RunRecord(prefect=PrefectRunKnown("f1", url))
    known = without_dead_link(record).prefect
    assert known is not None
    assert (known.flow_run_id, record.prefect) == ("f1", PrefectRunKnown("f1", url))
    return known.url


def test_a_server_that_listens_keeps_its_link() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/runs/flow-run/f1"
        assert url == _told(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_that_has_ended_loses_it(host: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        assert _told(f"http://{host}:{free.getsockname()[1]}/runs/flow-run/f1") is None


@pytest.mark.parametrize("url", [None, "https://prefect.invalid/runs/flow-run/f1", "http://[", "javascript:x"])
def test_others_are_told_as_they_are(url: str | None) -> None:
    assert url == _told(url)


def test_a_run_that_prefect_never_knew_has_none() -> None:
    assert without_dead_link(RunRecord()).prefect is None


def test_a_flow_run_without_a_link_is_told_by_its_id() -> None:
    told = render_summary(RunRecord(prefect=PrefectRunKnown("f1", None))).plain()
    assert "flow run  f1" == told.splitlines()[-1]
