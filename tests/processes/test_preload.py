"""Settings are those of the process that asks, whatever they were when Prefect and Dask were imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

LATER = """
import logging
import os
from pathlib import Path

import dask
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES

from pulseq.processes.preload import load_late_modules, read_settings_again

load_late_modules()
os.environ["PREFECT_API_URL"] = "http://127.0.0.1:1/api"
os.environ["DASK_DISTRIBUTED__COMM__RETRY__COUNT"] = "7"
Path("prefect.toml").write_text("[client]\\nmax_retries = 3\\n")
os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"
read_settings_again()
print(PREFECT_API_URL.value(), dask.config.get("distributed.comm.retry.count"), PREFECT_CLIENT_MAX_RETRIES.value())
print(logging.getLogger("prefect").getEffectiveLevel() == logging.CRITICAL)
"""


def test_environment_and_files_are_read_again(tmp_path: Path) -> None:
    environment = {**os.environ, "PREFECT_LOGGING_LEVEL": "DEBUG"}
    ended = subprocess.run(
        [sys.executable, "-c", LATER], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert ("http://127.0.0.1:1/api 7 3\nTrue\n", 0) == (ended.stdout, ended.returncode), ended.stderr
