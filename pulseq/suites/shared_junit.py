"""Tests that look for what they have written in one place: run at once, each would take the other's cases."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pulseq.models import CommandBody, Suite


def say_shared_junit(suite: Suite) -> Iterator[str]:
    """What to do about each test that has the JUnit files of a test before it."""
    first: dict[str, str] = {}
    for test in suite.tests:
        if isinstance(test.body, CommandBody) and (junit := test.body.junit):
            place = os.path.normpath(os.path.join(test.cwd, junit))
            if (other := first.setdefault(place, test.id)) != test.id:
                yield (
                    f"test {test.id!r}: its junit {junit!r} is that of test {other!r} too, and where both run at once "
                    "each takes what the other has written: have each write into a directory of its own"
                )
