"""Prefect and Dask in a process that runs are forked from: all loaded once, their settings read in each fork."""

from __future__ import annotations

import importlib
import os
from typing import Any

import dask.config
from prefect.context import refresh_global_settings_context
from prefect.logging.configuration import setup_logging
from prefect.settings import get_current_settings

#: What Prefect, Dask and their libraries import late, when the first flow run or connection asks for it.
_LATE = (
    "anyio._backends._asyncio",
    "email.headerregistry",
    "encodings.utf_8_sig",
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


#: What can be set of each logger and handler, by variables that begin so.
_LOGGER_VARIABLES = ("PREFECT_LOGGING_LOGGERS_", "PREFECT_LOGGING_HANDLERS_", "PREFECT_LOGGING_ROOT_")


def read_settings_again() -> None:
    """Read environment, profiles and files of the working directory anew."""
    global _loggers_follow
    refresh_global_settings_context()
    now = _what_loggers_follow()
    if now is None or now != _loggers_follow:
        setup_logging()  # with the levels of these
        _loggers_follow = now
    dask.config.refresh()


def _what_loggers_follow() -> tuple[Any, ...] | None:
    """What Prefect makes its loggers by; None where somebody's own file says more.

    By the same it would make the same, which takes 60 ms: it writes out all settings that there are many times over.
    """
    settings = get_current_settings()
    if settings.logging.config_path is not None and settings.logging.config_path.exists():
        return None
    levels = settings.logging.level, settings.server.logging_level, settings.internal.logging_level
    variables = {name: value for name, value in os.environ.items() if name.startswith(_LOGGER_VARIABLES)}
    return *levels, settings.logging.extra_loggers, variables


#: Of the loggers that there are: those that Prefect's import has made, or later ones.
_loggers_follow = _what_loggers_follow()
