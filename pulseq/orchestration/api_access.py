"""Who requests of our own are from, as Prefect's client would say it."""

from __future__ import annotations

import base64

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_CLIENT_CUSTOM_HEADERS
from pydantic import SecretStr


def access_headers() -> dict[str, str]:
    """The headers that say so, from the settings of the current context."""
    named = PREFECT_CLIENT_CUSTOM_HEADERS.value() or {}
    if auth := PREFECT_API_AUTH_STRING.value():
        return {**named, "Authorization": f"Basic {base64.b64encode(_reveal(auth).encode()).decode()}"}
    if key := PREFECT_API_KEY.value():
        return {**named, "Authorization": f"Bearer {_reveal(key)}"}
    return dict(named)


def _reveal(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
