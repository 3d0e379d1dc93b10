"""Projects as suites describe them."""

from __future__ import annotations

from pulseq.models import Suite
from pulseq.project import PrepareSpec


def test_what_nobody_describes_is_found_and_ships_whole() -> None:
    project = Suite("s", ()).project
    assert (project.root, project.ship, project.prepare) == (None, None, None)


def test_preparing_has_a_limit() -> None:
    assert PrepareSpec(("make",)).timeout_seconds == 900.0
