"""Tests that no node fits: how long they wait for one that does. Pure: the clock is passed in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


class UnmatchedWatch:
    """Knows since when a class of requirements has no node that fits and takes tests.

    One that no node of this run ever fitted has nothing to wait for. One whose nodes have all left, or been marked,
    waits `patience_seconds` for one to come back.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._fitted: set[Hashable] = set()
        self._since: dict[Hashable, float] = {}
        self._begun: list[Hashable] = []

    def note_fit(self, requirement_key: Hashable) -> None:
        """A node has been there that fits."""
        self._fitted.add(requirement_key)

    def due(self, unmatched: Iterable[Hashable], now: float) -> list[Hashable]:
        """Those of the classes without a node that have waited long enough.

        Args:
            unmatched: all classes that have tests waiting and no node now.
            now: monotonic seconds.
        """
        since = {key: self._since.get(key, now if key in self._fitted else float("-inf")) for key in unmatched}
        self._begun += [key for key in since if key in self._fitted and key not in self._since]
        over = [key for key, start in since.items() if now - start >= self._patience_seconds]
        self._since = {key: start for key, start in since.items() if key not in over}
        return over

    def take_begun(self) -> list[Hashable]:
        """The classes that have begun to wait since this was last asked."""
        begun, self._begun = self._begun, []
        return begun

    def seconds_left(self, now: float) -> float | None:
        """Until the next class is due; None when none waits."""
        if not self._since:
            return None
        return max(min(self._since.values()) + self._patience_seconds - now, 0.0)
