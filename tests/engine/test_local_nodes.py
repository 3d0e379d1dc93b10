"""What the owner of many nodes needs; the rest is tested by the runs of tests/system."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASKS = """
import resource, sys
from pulseq.engine.local_nodes import allow_open_files
soft, hard, needed = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
allow_open_files(needed)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "needed", "expected"),
    [
        pytest.param(300, 4000, 600, (856, 4000), id="more-than-there-may-be"),
        pytest.param(2000, 4000, 600, (2000, 4000), id="enough"),
        pytest.param(300, 500, 600, (500, 500), id="more-than-there-ever-may-be"),
    ],
)
def test_as_many_files_may_be_open_as_nodes_need(soft: int, hard: int, needed: int, expected: tuple[int, int]) -> None:
    asked = [sys.executable, "-c", ASKS, str(soft), str(hard), str(needed)]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert tuple(map(int, told.split())) == expected
