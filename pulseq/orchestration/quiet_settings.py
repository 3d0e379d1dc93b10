"""Prefect's settings in processes of ours: as names and values of environment variables, before it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pulseq.processes.loopback import ONE_CERTIFICATE

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
        # A client reads all certificates when it is made, also one that never asks anybody: 20 ms of each node's start.
        "PREFECT_API_SSL_CERT_FILE": ONE_CERTIFICATE,
    }
)
#: All that a server between runs is told: its event feed, automations and schedules have readers.
#: Recording task runs in batches is what makes a test cost 9 ms on the server and not 27.
STANDING_SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        # The library of its queues has the types of its own calls checked, for which it makes code: 0.1 s of a start.
        "PY_KEY_VALUE_DISABLE_BEARTYPE": "true",
        # Whole seconds: Prefect 3.8 cuts it to an integer, and 0 makes the server spin.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        # Half a megabyte a run would stay for ever: flow runs go after 30 days, events after 7. Results are elsewhere.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "2592000",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
    }
)
#: A server that lives for one run does without what would have no reader then: 4 ms a test.
LEAN_SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        **STANDING_SERVER_SETTINGS,
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_REPOSSESSOR_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        # Else it imports all collections (Dask with prefect-dask) to see whether it would have to register them.
        "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    }
)
