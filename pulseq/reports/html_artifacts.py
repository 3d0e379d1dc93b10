"""What tests left behind as the HTML page shows it: small pictures as pictures, everything else as a link.

Whatever a test wrote is data: nothing of it gets into the page but the bytes of pictures that a browser can only draw.
"""

from __future__ import annotations

from typing import NamedTuple

from pulseq.artifacts import Artifact
from pulseq.models import Key
from pulseq.reports.embedded_pictures import PictureAllowance
from pulseq.reports.left_behind import ArtifactPlace, in_order
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.some import Some

_FILES = 50
_TESTS = 200


class ShownArtifact(NamedTuple):
    """A file: `link` is None where it is not there, `picture` a data address where the page shows it."""

    attempt: int
    file: Artifact
    link: str | None
    picture: str | None


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

    def elsewhere(self) -> Some[tuple[Key, Some[ShownArtifact]]]:
        """What others left than those that failed."""
        return Some.of(self._run.left_elsewhere, _TESTS, lambda one: (one[0], self.of(one[0])))

    def _show(self, attempt: int, file: Artifact) -> ShownArtifact:
        if self._place is None:
            return ShownArtifact(attempt, file, None, None)
        path = self._place.path_of(file)
        picture = self._allowance.take(path) if path is not None else None
        return ShownArtifact(attempt, file, self._place.link(file), picture)
