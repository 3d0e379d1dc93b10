"""No garbage is looked for while modules are loaded."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from pulseq.processes.loading import loading_much


def test_garbage_is_looked_for_again_afterwards_also_where_loading_fails() -> None:
    looked = []

    def load() -> None:
        with loading_much():
            looked.append(gc.isenabled())
            raise ImportError

    with pytest.raises(ImportError):
        load()

    assert [False] == looked
    assert gc.isenabled()


def test_who_never_looks_for_garbage_keeps_to_that() -> None:
    gc.disable()
    try:
        with loading_much():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


OLD = """
import gc
import sys
from pulseq.processes.loading import loading_much

if gc.get_freeze_count():
    sys.exit(77)

with loading_much():
    young = [[number] for number in range(100)]

assert not any(one is young for one in gc.get_objects(2))

with loading_much():
    loaded = [[number] for number in range(100)]
    sys.modules["loaded"] = sys

assert not any(one is loaded for generation in (0, 1) for one in gc.get_objects(generation))
assert any(one is loaded for one in gc.get_objects(2))
assert gc.get_freeze_count() == 0
"""


def test_what_was_loaded_is_old_and_looked_through_when_all_is() -> None:
    # In a process of its own: this one may have been forked from one that had frozen what it had.
    ended = subprocess.run([sys.executable, "-c", OLD], capture_output=True, text=True, check=False)
    if ended.returncode == 77:
        pytest.skip("this Python begins with frozen objects of its own (3.12 does), which are left alone")

    assert (0, "") == (ended.returncode, ended.stderr)


def test_what_somebody_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        with loading_much():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
