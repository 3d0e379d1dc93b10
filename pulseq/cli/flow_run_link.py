"""The link to a run's page at Prefect: told only where it leads somewhere."""

from __future__ import annotations

import socket
from dataclasses import replace
from urllib.parse import urlsplit

from pulseq.events import PrefectRunKnown
from pulseq.records import RunRecord

_HERE = ("127.0.0.1", "::1", "localhost")
_PATIENCE_SECONDS = 1.0


def without_dead_link(record: RunRecord) -> RunRecord:
    """The record as it is to be told to people: without the address of a server of this machine that has ended.

    The server of a single run ends with it. Whether one of another machine is there is not asked: that may take
    long, and a link to it may be followed from somewhere else.
    """
    known = record.prefect
    if known is None or known.url is None or _may_answer(known.url):
        return record
    return replace(record, prefect=PrefectRunKnown(known.flow_run_id, None))


def _may_answer(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return True  # whatever it is, it is none of ours
    if host not in _HERE:
        return True
    try:
        socket.create_connection((host, port), _PATIENCE_SECONDS).close()
    except TimeoutError:
        return True  # it is busy
    except OSError:
        return False
    return True
