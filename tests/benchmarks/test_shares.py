"""A share of the processors' time is what its processes have, and it is gone after them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.benchmarks.row import CannotMeasureError
from tests.benchmarks.shares import command_within, open_share, pids_in

#: Works until it has had half a second of a processor; how much of the time that took.
WORK = """
import time
began = time.monotonic()
while time.process_time() < 0.5:
    pass
print(time.process_time() / (time.monotonic() - began))
"""


@pytest.mark.system
def test_a_process_has_no_more_than_its_share() -> None:
    try:
        with open_share(1 / 4) as group:
            command = command_within(group, [sys.executable, "-S", "-c", WORK])
            had = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            left = pids_in(group)
    except CannotMeasureError as error:
        pytest.skip(str(error))
    assert (had < 0.4, left, group.exists()) == (True, set(), False)
