"""How to speak to the Prefect API of a run: all of its settings that a node needs."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    PREFECT_CLOUD_API_URL,
    temporary_settings,
)
from pydantic import SecretStr

from pulseq.processes.loopback import certificates_elsewhere, is_on_loopback

_SETTINGS = (
    PREFECT_API_URL,
    PREFECT_API_KEY,
    PREFECT_API_AUTH_STRING,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    PREFECT_CLOUD_API_URL,
)


def read_access() -> dict[str, Any]:
    """The address of the API and who we are to it, by the names of Prefect's settings."""
    return {setting.name: _reveal(setting.value()) for setting in _SETTINGS}


def access_headers() -> dict[str, str]:
    """What a request of our own has to say of us, as Prefect's client would."""
    access = read_access()
    named: Mapping[str, str] = access[PREFECT_CLIENT_CUSTOM_HEADERS.name] or {}
    if auth := access[PREFECT_API_AUTH_STRING.name]:
        return {**named, "Authorization": f"Basic {base64.b64encode(auth.encode()).decode()}"}
    if key := access[PREFECT_API_KEY.name]:
        return {**named, "Authorization": f"Bearer {key}"}
    return dict(named)


@contextlib.contextmanager
def use_access(access: Mapping[str, Any]) -> Iterator[None]:
    """Let Prefect in this context speak to the API as another process does, whose access this is.

    Everything else stays as it is set here: certificates, for one, are files of this machine (where the API here
    is on loopback and does without, those that Prefect chooses). Where the access
    is the same already nothing is done: a new set of settings takes a twentieth of a second to make.
    """
    known = read_access()
    changed: dict[Any, Any] = {
        setting: access[setting.name] for setting in _SETTINGS if access[setting.name] != known[setting.name]
    }
    if not changed:
        yield
        return
    if not is_on_loopback(access[PREFECT_API_URL.name] or ""):
        certificates = certificates_elsewhere(PREFECT_API_SSL_CERT_FILE.value() or "")
        changed |= {PREFECT_API_SSL_CERT_FILE: certificates} if certificates else {}
    with temporary_settings(changed):
        yield


def _reveal(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
