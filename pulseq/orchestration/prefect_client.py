"""Prefect's own client, with its troubles in our words."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL

from pulseq.errors import InfrastructureError
from pulseq.processes.loopback import without_proxy

_LONGEST_SAID = 300


@contextlib.asynccontextmanager
async def open_client() -> AsyncIterator[PrefectClient]:
    """A client of the API that is configured; within a flow run the client that this has already.

    Raises:
        InfrastructureError: the API does not answer, or does not take what it is told.
    """
    try:
        with without_proxy(PREFECT_API_URL.value() or ""):
            async with get_client() as client:
                yield client
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        raise InfrastructureError(f"the Prefect API does not answer as expected: {_words(error)}") from error


def read_settings_anew() -> None:
    """Have Prefect see what the environment says now: by itself it looks once, when it is imported."""
    refresh_global_settings_context()


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {lines[0][:_LONGEST_SAID]}' if lines else ''}"
