"""What tests left behind as the HTML page shows it: small pictures as pictures, everything else as a link.

Whatever a test wrote is data: nothing of it gets into the page but the bytes of pictures that a browser can only draw.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulseq.artifacts import Artifact, say_size
from pulseq.models import Key
from pulseq.reports.embedded_pictures import PictureAllowance
from pulseq.reports.left_behind import ArtifactPlace, in_order
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.some import Some
from pulseq.reports.wording import say_test
from pulseq.safe_text import safe_line

_FILES = 50
_TESTS = 200
_NAME_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class ShownArtifact:
    """A file: `link` is None where it is not there, `picture` a data address where the page shows it."""

    name: str
    attempt: int
    size: str
    link: str | None
    picture: str | None
    trouble: str


@dataclass(frozen=True, slots=True)
class ShownLeaver:
    """A test, or an entry, that left something and is not told at length."""

    name: str
    files: Some[ShownArtifact]


class ShownArtifacts:
    """The artifacts of a run on one page, whose pictures are bounded in all.

    Args:
        place: None where nobody knows where they are; then they are only named.
    """

    def __init__(self, run: RunDigest, place: ArtifactPlace | None = None) -> None:
        self._run = run
        self._place = place
        self._allowance = PictureAllowance()

    def of(self, key: Key) -> Some[ShownArtifact]:
        """What a test left."""
        return Some.of(in_order(self._run.left_by(key)), _FILES, lambda one: self._show(*one))

    def elsewhere(self) -> Some[ShownLeaver]:
        """What others left than those that failed."""
        return Some.of(
            self._run.left_elsewhere,
            _TESTS,
            lambda one: ShownLeaver(say_test(*one[0], _NAME_CHARACTERS), self.of(one[0])),
        )

    def _show(self, attempt: int, file: Artifact) -> ShownArtifact:
        place = self._place
        path = place.path_of(file) if place is not None else None
        return ShownArtifact(
            safe_line(file.name, _NAME_CHARACTERS),
            attempt,
            say_size(file.bytes),
            place.link(file) if place is not None else None,
            self._allowance.take(path) if path is not None else None,
            safe_line(file.trouble or ""),
        )
