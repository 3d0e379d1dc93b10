"""Who requests of our own are from, as Prefect's client would say it."""

from __future__ import annotations

import base64

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_CLIENT_CUSTOM_HEADERS


def access_headers() -> dict[str, str]:
    """The headers that say so, from the settings of the current context."""
    named = PREFECT_CLIENT_CUSTOM_HEADERS.value() or {}
    if auth := PREFECT_API_AUTH_STRING.value():
        return {**named, "Authorization": f"Basic {base64.b64encode(auth.get_secret_value().encode()).decode()}"}
    if key := PREFECT_API_KEY.value():
        return {**named, "Authorization": f"Bearer {key.get_secret_value()}"}
    return dict(named)
