"""Journals as tests look at them."""

from __future__ import annotations

from pathlib import Path

from pulseq.records import RunRecord, fold
from pulseq.results.journal import read_journal


def replay(path: Path) -> RunRecord:
    """What a run came to, from its journal alone."""
    return fold(entry.event for entry in read_journal(path))
