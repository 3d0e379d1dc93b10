"""Which earlier runs are those of the same project: whose durations, failures and flips are a run's own history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pulseq.events import RunStarted
from pulseq.models import Suite

#: The key under which the options of a run have its projects.
PROJECTS = "projects"
#: The key under which they say whether the run was of a part of them alone.
PART = "part"
#: A condition on a row of `runs` named `r`, with two parameters: the projects and the name of the suite.
SAME_LINEAGE = f"""
    CASE WHEN len(r.options->>'$.{PROJECTS}[*]') > 0 THEN list_has_any(r.options->>'$.{PROJECTS}[*]', $1)
    ELSE r.suite = $2 END
"""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What runs of the same project have in common.

    Two runs are of one lineage where they share a project. A run that tells none (those of a first version, and of
    a program's own tests) is known by the name of its suite alone.

    Attributes:
        suite: the name of the suite.
        projects: absolute paths of suite files, and of the directories that pytest's node ids begin at.
    """

    suite: str
    projects: tuple[str, ...] = ()

    @classmethod
    def of(cls, suite: Suite) -> Lineage:
        """That of a suite that is to be run."""
        return cls(suite.name, suite.projects)

    @classmethod
    def of_run(cls, started: RunStarted) -> Lineage:
        """That of a run that has begun."""
        return cls(started.suite, tuple(sorted(projects_of(started))))

    def includes(self, started: RunStarted) -> bool:
        """Whether a run is one of these."""
        projects = projects_of(started)
        return not projects.isdisjoint(self.projects) if projects else started.suite == self.suite

    @property
    def parameters(self) -> list[object]:
        """Those of `SAME_LINEAGE`."""
        return [list(self.projects), self.suite]


def projects_of(started: RunStarted) -> frozenset[str]:
    """The projects that a run has told; none where it has not."""
    told = started.options.get(PROJECTS)
    return frozenset(map(str, told)) if isinstance(told, Collection) and not isinstance(told, str) else frozenset()
