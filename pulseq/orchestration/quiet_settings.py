"""Prefect's settings in processes of ours: as names and values of environment variables, before it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: What every process of ours is told: no telemetry, no lines of its own.
QUIET_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        "PREFECT_SERVER_LOG_RETRYABLE_ERRORS": "false",
    }
)
#: Where nobody is: without an address Prefect's client would start a server.
NO_API = "http://127.0.0.1:9/api"
#: What every node is told: it speaks to no API, neither of states nor of log lines.
NODE_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        **QUIET_SETTINGS,
        "PREFECT_API_URL": NO_API,
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    }
)
