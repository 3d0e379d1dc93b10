"""What requests of our own say of us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    temporary_settings,
)

from pulseq.orchestration.api_access import access_headers


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api", PREFECT_API_KEY: "mine"}):
        yield


def test_requests_of_our_own_say_what_prefects_client_says() -> None:
    settings: dict[Any, Any] = {PREFECT_API_AUTH_STRING: "pulseq:ü", PREFECT_CLIENT_CUSTOM_HEADERS: {"X-Site": "lab"}}
    with temporary_settings(settings):
        ours = access_headers()
        theirs = get_client()._client.headers

    assert {"Authorization": "Basic cHVsc2VxOsO8", "X-Site": "lab"} == ours
    assert ours == {name: theirs[name] for name in ours}
    with temporary_settings({PREFECT_API_AUTH_STRING: None}):
        assert {"Authorization": "Bearer mine"} == access_headers()
    with temporary_settings({PREFECT_API_KEY: None, PREFECT_API_AUTH_STRING: None}):
        assert {} == access_headers()
