"""Prefect and Dask in a process that runs are forked from: all loaded once, their settings read in each fork."""

from __future__ import annotations

import importlib

import dask.config
from prefect.context import refresh_global_settings_context
from prefect.logging.configuration import setup_logging

#: What Prefect, Dask and their libraries import late, when the first flow run or connection asks for it.
_LATE = (
    "anyio._backends._asyncio",
    "email.headerregistry",
    "encodings.utf_8_sig",
    "fastapi.applications",
    "prefect._internal.control_listener",
    "prefect.client.orchestration",
    "prefect.concurrency.v1.context",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.utilities.visualization",
    "pydantic.color",
    "tornado.platform.asyncio",
)


def load_late_modules() -> None:
    """Import what a run would; another release may not have some of it, and then needs it no more."""
    for name in _LATE:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue


def read_settings_again() -> None:
    """Read environment, profiles and files of the working directory anew."""
    refresh_global_settings_context()
    setup_logging()  # with the levels of these
    dask.config.refresh()
