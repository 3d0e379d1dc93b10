"""Differences that are meant, and entries that did not occur."""

from __future__ import annotations

from tests.parity.compare import Difference
from tests.parity.meant import MEANT, Meant, split_meant, unused_entries

_ENTRY = Meant("cov", "file:.coverage.*", "a reason")
_FOUND = Difference("file:.coverage.<part>", "0", "1")


def test_an_entry_covers_its_difference_in_suites_of_its_plugin() -> None:
    assert ([], [(_FOUND, _ENTRY)]) == split_meant([_FOUND], ["cov-met", "cov"], "pulseq fork", [_ENTRY])


def test_an_entry_covers_nothing_elsewhere() -> None:
    assert ([_FOUND], []) == split_meant([_FOUND], ["click"], "pulseq fork", [_ENTRY])


def test_an_entry_is_about_pulseq_alone() -> None:
    assert ([_FOUND], []) == split_meant([_FOUND], ["cov"], "xdist", [_ENTRY])


def test_brackets_are_no_pattern() -> None:
    row = Difference("test:pytest::[session]", "absent", "error")

    assert [] == split_meant([row], ["click"], "pulseq")[0]
    assert [] == split_meant([Difference("test:s", "absent", "error")], ["click"], "pulseq")[1]


def test_an_entry_that_did_not_occur_in_its_suite_is_told() -> None:
    assert [_ENTRY] == unused_entries([], ["cov"], is_everything=False, entries=[_ENTRY])
    assert [] == unused_entries([_ENTRY], ["cov"], is_everything=False, entries=[_ENTRY])
    assert [] == unused_entries([], ["click"], is_everything=False, entries=[_ENTRY])


def test_an_entry_about_all_is_told_after_a_run_of_all() -> None:
    entry = Meant("*", "one-verdict", "a reason")

    assert [] == unused_entries([], ["click"], is_everything=False, entries=[entry])
    assert [entry] == unused_entries([], ["click"], is_everything=True, entries=[entry])


def test_each_entry_has_a_reason() -> None:
    assert all(entry.reason for entry in MEANT)
