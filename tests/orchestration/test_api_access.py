"""What a node takes over of a run's Prefect settings, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
    temporary_settings,
)

from pulseq.orchestration.api_access import access_headers, read_access, use_access
from pulseq.processes.loopback import loopback_settings

HERE, THERE = "http://127.0.0.1:4200/api", "https://api.example/api"


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: HERE, PREFECT_API_KEY: "mine", PREFECT_CLIENT_MAX_RETRIES: 7}):
        yield


def _access(**changes: Any) -> dict[str, Any]:
    return {**read_access(), **changes}


def test_access_is_plain_data_with_its_secrets() -> None:
    assert ("mine", HERE) == (read_access()["PREFECT_API_KEY"], read_access()["PREFECT_API_URL"])


def test_where_access_is_the_same_the_settings_are_not_made_anew() -> None:
    before = get_current_settings()
    with use_access(read_access()):
        assert get_current_settings() is before


def test_another_api_is_used_with_the_machines_own_settings_for_the_rest() -> None:
    with use_access(_access(PREFECT_API_URL=THERE, PREFECT_API_KEY="yours")):
        assert _access(PREFECT_API_URL=THERE, PREFECT_API_KEY="yours") == read_access()
        assert PREFECT_CLIENT_MAX_RETRIES.value() == 7
    assert HERE == PREFECT_API_URL.value()


def test_no_key_here_takes_ours_away() -> None:
    with use_access(_access(PREFECT_API_KEY=None)):
        assert PREFECT_API_KEY.value() is None


@pytest.mark.parametrize(("url", "kept"), [(THERE, False), ("http://localhost:4300/api", True)])
def test_an_api_elsewhere_is_not_spoken_to_with_the_one_certificate_of_loopback(
    url: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PREFECT_API_SSL_CERT_FILE.name, raising=False)
    (one,) = loopback_settings(HERE).values()
    with temporary_settings({PREFECT_API_SSL_CERT_FILE: one}), use_access(_access(PREFECT_API_URL=url)):
        assert kept is (PREFECT_API_SSL_CERT_FILE.value() == one)


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
