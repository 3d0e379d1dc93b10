"""Lines in the log of a flow run, as an API that takes them gets them."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)

from pulseq.orchestration.run_log import LogLine, tell_log


class Api(ThreadingHTTPServer):
    """An API that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.requests: list[list[dict[str, Any]]] = []


class _Taking(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        assert self.path == "/api/logs/"
        self.server.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with temporary_settings(
                {
                    PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api",
                    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,
                    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
                }
            ):
                yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_line_is_about_a_task_run_or_about_the_flow_run_alone(api: Api) -> None:
    flow_run, task_run = str(uuid4()), str(uuid4())

    asyncio.run(tell_log(flow_run, [LogLine("no \ud800", 0.0, task_run), LogLine("gone", 1.0, None, logging.WARNING)]))

    assert [
        {
            "name": "pulseq.run",
            "level": 40,
            "message": "no \\ud800",
            "timestamp": "1970-01-01T00:00:00+00:00",
            "flow_run_id": flow_run,
            "task_run_id": task_run,
        },
        {
            "name": "pulseq.run",
            "level": 30,
            "message": "gone",
            "timestamp": "1970-01-01T00:00:01+00:00",
            "flow_run_id": flow_run,
            "task_run_id": None,
        },
    ] == api.requests[0]


def test_many_lines_take_several_requests(api: Api) -> None:
    asyncio.run(tell_log(str(uuid4()), [LogLine(str(n), 0.0) for n in range(230)]))

    assert [100, 100, 30] == [len(request) for request in api.requests]
