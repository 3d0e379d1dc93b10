"""What the words of a pytest session do by themselves."""

from __future__ import annotations

import pytest

from pulseq.pytest_sessions import name_pack


@pytest.mark.parametrize(
    ("nodeids", "name"),
    [
        (["a.py::t"], "a.py (1 tests)"),
        (["a.py::t", "a.py::u"], "a.py (2 tests)"),
        (["a.py::t", "b.py::t", "a.py::u"], "a.py and 1 more file (3 tests)"),
        (["a.py::t", "b.py::t", "c.py::t"], "a.py and 2 more files (3 tests)"),
    ],
)
def test_a_pack_is_called_after_its_first_file(nodeids: list[str], name: str) -> None:
    assert name == name_pack(nodeids)
