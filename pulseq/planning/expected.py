"""How long tests are expected to take: what earlier runs measured, then what is declared, then their file's mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from statistics import fmean, median

from pulseq.models import Key

#: A test this short says more of the moment than of the node.
_TELLING_SECONDS = 0.01
#: So many tests that ran on several classes of nodes make a class's slowness known.
_TELLING_TESTS = 5
#: A class this near to the others is as fast as they are.
_NOTABLE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class History:
    """What earlier runs measured.

    Attributes:
        seconds: (test id, variant) to the median of its recent clean attempts.
        slowness: what kind of node (a key of its capabilities) to the time that tests take there,
            as a multiple of what they take in the median; kinds that differ little are left out.
    """

    seconds: Mapping[Key, float] = field(default_factory=dict)
    slowness: Mapping[Hashable, float] = field(default_factory=dict)


class ExpectedDurations:
    """Answers how long a test will take, as far as anything is known of it."""

    def __init__(self, history: History | None = None) -> None:
        self.history = history or History()
        self._file_means: dict[str, float] | None = None

    def seconds(self, key: Key, *, declared: float | None, nodeid: str | None = None) -> float | None:
        """Seconds on a node of median speed; None where nothing is known.

        Args:
            declared: what the suite says.
            nodeid: for a pytest item, its node id; the test id ends with it.
        """
        known = self.history.seconds.get(key, declared)
        if known is not None or nodeid is None:
            return known
        file = key[0][: len(key[0]) - len(nodeid)] + nodeid.split("::", 1)[0]
        return self._means().get(file)

    def slowness(self, node_class: Hashable) -> float:
        """How much longer than in the median tests take on this kind of node."""
        return self.history.slowness.get(node_class, 1.0)

    def _means(self) -> dict[str, float]:
        """The mean of the known tests of each file; computed once, when a new test asks for it."""
        if self._file_means is None:
            by_file: defaultdict[str, list[float]] = defaultdict(list)
            for (test_id, _), seconds in self.history.seconds.items():
                # An id is a node id, or has the suite's entry before it: one of the two is the file.
                parts = test_id.split("::", 2)
                for count in range(1, len(parts)):
                    by_file["::".join(parts[:count])].append(seconds)
            self._file_means = {file: fmean(seconds) for file, seconds in by_file.items()}
        return self._file_means


def slowness_of(medians: Mapping[Key, Mapping[Hashable, float]]) -> dict[Hashable, float]:
    """How much slower or faster than the others each kind of node is, from tests that ran on several.

    Args:
        medians: test to kind of node to the median seconds of the test there.

    Returns:
        Kind of node to the median, over its tests, of its time as a multiple of the test's median over kinds;
        only kinds that enough tests tell of and that differ notably.
    """
    ratios: defaultdict[Hashable, list[float]] = defaultdict(list)
    for by_class in medians.values():
        middle = median(by_class.values())
        if len(by_class) > 1 and middle >= _TELLING_SECONDS:
            for node_class, seconds in by_class.items():
                ratios[node_class].append(seconds / middle)
    slowness = {node_class: median(found) for node_class, found in ratios.items() if len(found) >= _TELLING_TESTS}
    return {node_class: ratio for node_class, ratio in slowness.items() if abs(ratio - 1.0) > _NOTABLE_SHARE}
