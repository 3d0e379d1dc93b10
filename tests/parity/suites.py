"""Public suites, pinned: what is run of each, and what is left out in all ways alike."""

from __future__ import annotations

from tests.parity.suite import Suite

PUBLIC_SUITES = (Suite("click", ("click==8.5.1",), "click==8.5.1"),)
