"""What a run itself has measured of items that history does not know: the more, the larger its dispatches."""

from __future__ import annotations

from collections.abc import Hashable

#: So many measured items of a file say what the others of it take.
_TELLING_OF_A_FILE = 10
#: So many of all files say what one of an unseen file may take; until then the limits' guess counts as so many.
_TELLING_AT_ALL = 20


class Pace:
    """Means of measured packed items, of each file and of all.

    Args:
        guess_seconds: what an item is taken for before anything was measured.
        least_seconds: what any item is taken for at least.
    """

    def __init__(self, guess_seconds: float, least_seconds: float) -> None:
        self._guess_seconds = guess_seconds
        self._least_seconds = least_seconds
        self._files: dict[Hashable, tuple[int, float]] = {}
        self._count = 0
        self._seconds = 0.0

    def note(self, pack: Hashable, seconds: float) -> None:
        """An item of this file took so long."""
        count, total = self._files.get(pack, (0, 0.0))
        self._files[pack] = (count + 1, total + seconds)
        self._count += 1
        self._seconds += seconds

    @property
    def known(self) -> bool:
        """Whether enough was measured to reckon with."""
        return self._count >= _TELLING_AT_ALL

    @property
    def typical_seconds(self) -> float:
        """What an item takes of which nothing is known."""
        guessed = self._guess_seconds * _TELLING_AT_ALL
        return max((guessed + self._seconds) / (_TELLING_AT_ALL + self._count), self._least_seconds)

    def seconds_of(self, pack: Hashable) -> float | None:
        """What an item of this file takes; None while too few of it were measured."""
        count, total = self._files.get(pack, (0, 0.0))
        return max(total / count, self._least_seconds) if count >= _TELLING_OF_A_FILE else None
