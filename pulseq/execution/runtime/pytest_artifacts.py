"""What the items of a pytest runner leave behind, each its own.

The directory has one name for as long as the runner lives, so that whatever a fixture of wider scope has kept of it,
or given to a program that it has started, is right for every item.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Callable, Dict, List, Mapping, Optional

from .artifact_files import Collector
from .body_environment import PrivateDirectory, make_place

#: What was there before the item that runs, for whoever has to collect in the runner's place.
_MARKS = "marks.json"


class ItemArtifacts:
    """In a runner: hands over what each item has left.

    Args:
        wanted: what `Collector` is told; None where no glob finds anything.
    """

    def __init__(self, private: PrivateDirectory, wanted: Optional[Mapping[str, Any]]) -> None:
        self._private = private
        self._collector = None if wanted is None else Collector(wanted)

    @property
    def collects(self) -> bool:
        """Whether files are looked for, which takes its time."""
        return self._collector is not None

    def begin(self) -> None:
        """An item is about to run."""
        if self._collector is not None:
            _write_marks(self._private, self._collector.note())

    def add_to(self, message: Dict[str, Any], before_collecting: Callable[[], None]) -> None:
        """Put into what is told of an item where its files are, and what is to be said of them.

        Args:
            before_collecting: called when files are looked for, and copied.
        """
        place = _hand_over(self._private, message["warnings"])
        if self._collector is not None and self._collector.wants("failed" if message["reruns"] else message["status"]):
            before_collecting()
            place = _collect(self._private, self._collector, place, message["warnings"])
        message["left"] = place


def add_last_artifacts(
    verdict: Dict[str, Any], private: PrivateDirectory, wanted: Optional[Mapping[str, Any]]
) -> Dict[str, Any]:
    """The verdict on the item of a runner that has ended, with what that left."""
    warnings = list(verdict["warnings"])
    place = _hand_over(private, warnings)
    if wanted is not None:
        collector = Collector(wanted)
        collector.restore(_read_marks(private))
        place = _collect(private, collector, place, warnings)
    return {**verdict, "warnings": warnings, "left": place}


def _hand_over(private: PrivateDirectory, warnings: List[str]) -> Optional[str]:
    try:
        return private.hand_over()
    except OSError as error:
        warnings.append(f"its artifacts could not be kept: {error}")
        return None


def _collect(
    private: PrivateDirectory, collector: Collector, place: Optional[str], warnings: List[str]
) -> Optional[str]:
    """Add what the globs find to the directory that is handed over, which is made for it if there is none."""
    places = [] if place is None else [place]

    def the_place() -> str:
        if not places:
            places.append(make_place(os.path.dirname(private.path)))
        return places[0]

    warnings.extend(collector.collect(the_place))
    return places[0] if places else None


def _write_marks(private: PrivateDirectory, marks: List[Any]) -> None:
    with contextlib.suppress(OSError), open(os.path.join(private.path, _MARKS), "w", encoding="ascii") as file:
        json.dump(marks, file)


def _read_marks(private: PrivateDirectory) -> List[Any]:
    try:
        with open(os.path.join(private.path, _MARKS), encoding="ascii") as file:
            marks: List[Any] = json.load(file)
            return marks
    except (OSError, ValueError):
        return []
