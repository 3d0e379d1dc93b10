"""No garbage is looked for while modules are loaded."""

from __future__ import annotations

import gc

import pytest

from pulseq.engine.loading import loading_much


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
